"""Snowflake's connector with a connection of connections.toml."""

import sys

import snowflake.connector

host, port, file = sys.argv[1:]
with snowflake.connector.connect(
    connection_name="default",
    connections_file_path=__import__("pathlib").Path(file),
    host=host,
    port=int(port),
    protocol="http",
    login_timeout=5,
) as connection:
    print(connection.account)
