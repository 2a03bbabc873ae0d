"""Put right what was stopped, lost or never begun."""
