"""One blocking unary gRPC call over a plain connection, for a process that makes no other.

It speaks as much of HTTP/2 as a well-behaved answer needs, and leaves all else to the gRPC
library, which takes many times as long to load as the call takes.
"""
