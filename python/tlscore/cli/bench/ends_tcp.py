"""Plain TCP: what the kernel alone costs, below which no TLS over sockets can get."""

from socket import socket

from tlscore.cli.bench.ends import End, Library, SocketStream, Stream


class TcpLibrary(Library):
    def client(self) -> End:
        raise NotImplementedError("plain TCP has no ends in memory")

    def server(self) -> End:
        raise NotImplementedError("plain TCP has no ends in memory")

    def pingpong(self, client: End, server: End, data: bytes, count: int) -> float:
        raise NotImplementedError("plain TCP has no ends in memory")

    def stream(self, sock: socket, *, is_client: bool) -> Stream:
        return SocketStream(sock)
