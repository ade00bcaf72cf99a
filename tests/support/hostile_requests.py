"""What an adversary sends over HTTP, for the tests of every folder."""

from __future__ import annotations

HEAD = b"GET /keys HTTP/1.1\r\nHost: x\r\n"
POST = b"POST /keys HTTP/1.1\r\nHost: x\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"

# Two readers could understand these differently: refused with 400 or 505, and closed.
REFUSED = {
    "bare LF": b"GET /keys HTTP/1.1\nHost: x\n\n",
    "bare LF after a header": b"GET /keys HTTP/1.1\r\nHost: x\nX: y\r\n\r\n",
    "bare CR in a value": HEAD + b"X: b\rc\r\n\r\n",
    "NUL in a value": HEAD + b"X: b\0c\r\n\r\n",
    "folded header": HEAD + b"X: b\r\n c\r\n\r\n",
    "space before the colon": b"GET /keys HTTP/1.1\r\nHost : x\r\n\r\n",
    "length beside chunked": POST
    + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked beside length": POST
    + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
    "the same length twice": POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "signed length": POST + b"Content-Length: +3\r\n\r\nabc",
    "list of lengths": POST + b"Content-Length: 3, 3\r\n\r\nabc",
    "another coding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "two codings": POST + b"Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
    "coding named twice": POST
    + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "vertical tab before the coding": POST + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    "chunked in HTTP/1.0": b"POST /keys HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunk size with a space": POST + b"Transfer-Encoding: chunked\r\n\r\n3 \r\nabc\r\n0\r\n\r\n",
    "chunks with bare LF": POST + b"Transfer-Encoding: chunked\r\n\r\n3\nabc\n0\n\n",
    "LF in a chunk extension": POST
    + b"Transfer-Encoding: chunked\r\n\r\n3;a\nb\r\nabc\r\n0\r\n\r\n",
    "no Host": b"GET /keys HTTP/1.1\r\n\r\n",
    "two Hosts": HEAD + b"Host: y\r\n\r\n",
    "method in lower case": b"get /keys HTTP/1.1\r\nHost: x\r\n\r\n",
    "HTTP/0.9": b"GET /keys\r\n\r\n",
    "HTTP/2.0": b"GET /keys HTTP/2.0\r\nHost: x\r\n\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": bytes.fromhex("16030100a1010000"),
    "target that is no UTF-8": b"GET /%ff HTTP/1.1\r\nHost: x\r\n\r\n",
}

# Headers that must not change what a fixed issuer says.
SPOOFED_HEADERS: list[dict[str, str]] = [
    {"x-forwarded-host": "evil.example"},
    {"x-forwarded-proto": "http", "x-forwarded-port": "1", "x-forwarded-prefix": "/evil"},
    {"x-forwarded-scheme": "http"},
    {"forwarded": "host=evil.example;proto=http"},
    {"x-original-url": "/evil", "x-rewrite-url": "/evil"},
    {"x-http-method-override": "DELETE"},
    {"origin": "https://evil.example", "referer": "https://evil.example"},
    {"range": "bytes=0-3"},
    {"if-match": '"x"', "if-modified-since": "Thu, 01 Jan 2099 00:00:00 GMT"},
    {"accept": "text/html", "accept-encoding": "gzip", "accept-language": "de"},
    {"cookie": "a=b", "authorization": "Bearer x"},
    {"connection": "etag, cache-control"},
]

SPOOFED_HOSTS = ["evil.example", "evil.example:1", "", "a b", "[::1", "LOCALHOST"]

# Other spellings of /keys: the key set, or refused.
SPELLINGS_OF_KEYS = [
    "/keys?",
    "/keys?a=b&c",
    "/keys?/../admin",
    "/keys?%00",
    "/keys#fragment",
    "/%6beys",
    "/%6B%65%79%73",
    "http://evil.example/keys",
    "http://evil.example:99999/keys",
    "http://user:secret@evil.example/keys",
    "HTTPS://EVIL.EXAMPLE/keys?x",
]

# More than anyone needs: refused with 431 or 413, and closed.
BOMBS = {
    "header of 40 kB": HEAD + b"X: " + b"a" * 40_000 + b"\r\n\r\n",
    "header of 4 MB": HEAD + b"X: " + b"a" * 4_000_000 + b"\r\n\r\n",
    "header without an end": HEAD + b"X: " + b"a" * 100_000,
    "20,000 headers": HEAD + b"X: y\r\n" * 20_000 + b"\r\n",
    "name of 40 kB": HEAD + b"X" * 40_000 + b": y\r\n\r\n",
    "target of 40 kB": b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "method of 40 kB": b"G" * 40_000 + b" /keys HTTP/1.1\r\nHost: x\r\n\r\n",
    "body of 1 MB": POST + b"Content-Length: 1000000\r\n\r\n" + b"a" * 1_000_000,
    "1 MB in chunks": POST
    + b"Transfer-Encoding: chunked\r\n\r\n"
    + (b"10\r\n" + b"a" * 16 + b"\r\n") * 60_000,
}
