"""PyMongo with a connection string, and the token file that the environment names."""

import sys

from pymongo import MongoClient

with MongoClient(sys.argv[1], serverSelectionTimeoutMS=5000) as client:
    print(client.admin.command("ping")["ok"])
