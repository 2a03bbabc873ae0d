"""What the service costs: time, memory, requests and money, measured beside the least that is possible."""
