"""Requests to the callback service: connections, answers, and everything that can go wrong."""

import asyncio

import pytest

from realtime_message.gateway.http_client import HttpClient, HttpError


@pytest.fixture
async def server():
    """A server whose answers are the bytes that the test gives; it counts its connections."""

    class Server:
        answers: list[bytes]
        connections = 0

        async def serve(self, reader, writer):
            self.connections += 1
            try:
                while True:
                    head = await reader.readuntil(b"\r\n\r\n")
                    length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
                    await reader.readexactly(int(length or 0))
                    answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                    writer.write(answer)
                    await writer.drain()
                    if b"close" in answer:
                        break
            except (asyncio.IncompleteReadError, ConnectionError):
                pass
            finally:
                writer.close()

    server = Server()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/x"
    yield server
    listening.close()
    await asyncio.sleep(0)


@pytest.fixture
async def client(server):
    client = HttpClient(server.url, 0.5)
    yield client
    client.close()
    await asyncio.sleep(0.01)


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (OK, b"{}"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
            b"{}",
        ),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}", b"{}"),
        (b"HTTP/1.0 200 OK\r\nConnection: close\r\n\r\n{}", b"{}"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""),
    ],
)
async def test_every_framing_of_a_body_is_read(server, client, answer, body):
    """By length, in chunks, and to the end of the connection."""
    server.answers = [answer]
    got = await client.post({}, b"{}")
    assert (got.status, got.body) == (200, body)


async def test_sequential_requests_share_a_connection(server, client):
    """Keep-alive is used, also after an error status with a body."""
    server.answers = [OK, OK.replace(b"200 OK", b"500 No"), OK]
    statuses = [(await client.post({}, b"{}")).status for _ in range(3)]
    assert statuses == [200, 500, 200]
    assert server.connections == 1


async def test_parallel_requests_have_a_connection_each(server, client):
    """There is no upper bound, and the connections are used again."""
    server.answers = [OK]
    for _ in range(2):
        await asyncio.gather(*(client.post({}, b"{}") for _ in range(20)))
    assert server.connections == 20


async def test_connection_that_was_closed_is_not_used_again(server, client):
    """An answer with `Connection: close` costs a new connection, never a failed request."""
    server.answers = [OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")]
    for _ in range(3):
        assert (await client.post({}, b"{}")).status == 200
    assert server.connections == 3


@pytest.mark.parametrize(
    "answer",
    [
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{}close",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"close",
    ],
)
async def test_broken_answer_is_an_error(server, client, answer):
    """Malformed, cut short, or none."""
    server.answers = [answer]
    if answer.endswith(b"{}close"):
        server.answers = [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}close"]
    with pytest.raises(HttpError):
        await client.post({}, b"{}")


async def test_silence_is_an_error_in_time(server, client):
    """The deadline is for the whole exchange; the connection is given up."""
    server.answers = [b""]
    with pytest.raises(HttpError, match="no answer within"):
        await client.post({}, b"{}")
    server.answers = [OK]
    assert (await client.post({}, b"{}")).status == 200
    assert server.connections == 2


async def test_redirect_to_another_server_is_not_followed(server, client):
    """Headers of the client would go with it."""
    server.answers = [
        b"HTTP/1.1 307 X\r\nContent-Length: 0\r\nLocation: http://127.0.0.1:1/\r\n\r\n"
    ]
    with pytest.raises(HttpError, match="another server"):
        await client.post({}, b"{}")


async def test_nobody_listens():
    """The reason is named."""
    with pytest.raises(HttpError, match=r"Connect call failed|refused"):
        await HttpClient("http://127.0.0.1:1/x", 1).post({}, b"")
