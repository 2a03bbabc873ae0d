"""LocalStack's gateway on the hosts that ``GATEWAY_LISTEN`` names, chosen by ``GATEWAY_SERVER=loopback``.

Its own server (``localstack.runtime.server.twisted``) listens on every IPv4 interface, whatever is named.
"""

from localstack.config import HostAndPort  # type: ignore[import-not-found]
from localstack.runtime.server.core import RuntimeServerPlugin  # type: ignore[import-not-found]
from localstack.runtime.server.twisted import TwistedRuntimeServer  # type: ignore[import-not-found]
from rolo.gateway import Gateway  # type: ignore[import-not-found]
from rolo.serving.twisted import TwistedGateway  # type: ignore[import-not-found]
from twisted.internet import reactor  # type: ignore[import-not-found]
from twisted.internet.endpoints import TCP4ServerEndpoint  # type: ignore[import-not-found]

from .key_encoding import encode_whole_lists
from .masked_tokens import mask_tokens


class LoopbackServer(TwistedRuntimeServer):  # type: ignore[misc]  # LocalStack is not typed
    """LocalStack's own server, without TLS, which nobody needs within one machine."""

    def register(self, gateway: Gateway, listen: list[HostAndPort], ssl_creds: object = None) -> None:  # noqa: ARG002
        """Listen on each host and port of ``listen``."""
        site = TwistedGateway(gateway)
        for address in listen:
            TCP4ServerEndpoint(reactor, address.port, interface=address.host).listen(site)


class LoopbackServerPlugin(RuntimeServerPlugin):  # type: ignore[misc]
    """What the entry point names."""

    name = "loopback"

    def load(self, *_args: object, **_kwargs: object) -> LoopbackServer:
        """The server. It is the first that LocalStack asks for: no service is loaded yet."""
        encode_whole_lists()
        mask_tokens()
        return LoopbackServer()
