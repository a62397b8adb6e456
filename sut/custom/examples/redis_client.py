#!/usr/bin/env python3
"""A client for gameday in Python: registers and a set in Redis, by its own protocol, no library needed.

gameday starts one such process for each client and node, writes one JSON object a line to its standard
input, and reads one answer a line. "fail" says that the operation certainly did not happen; when in doubt
the answer is "info". What is written to standard error is quoted if the process ends.
"""
import json
import socket
import sys


class Refused(Exception):
    """The server answered with an error: nothing has happened."""


class Redis:
    def __init__(self, address):
        self.socket = socket.create_connection((address, 6379), timeout=1)
        self.file = self.socket.makefile("rb")

    def call(self, *words, timeout):
        self.socket.settimeout(timeout)
        request = b"*%d\r\n" % len(words)
        for word in (str(w).encode() for w in words):
            request += b"$%d\r\n%s\r\n" % (len(word), word)
        self.socket.sendall(request)
        return self.reply()

    def reply(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the server closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise Refused(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"*":
            return [self.reply() for _ in range(int(rest))]
        if kind == b"$":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2].decode()
        return rest.decode()


CAS = "if redis.call('get',KEYS[1])==ARGV[1] then redis.call('set',KEYS[1],ARGV[2]) return 1 end return 0"


def perform(redis, f, value, timeout):
    """The value of an operation that happened; None if it was refused."""
    if f == "read" and value is None:
        return sorted(int(v) for v in redis.call("SMEMBERS", "set", timeout=timeout))
    if f == "read":
        found = redis.call("GET", f"r{value[0]}", timeout=timeout)
        return [value[0], None if found is None else int(found)]
    if f == "write":
        redis.call("SET", f"r{value[0]}", value[1], timeout=timeout)
        return value
    if f == "cas":
        done = redis.call("EVAL", CAS, 1, f"r{value[0]}", value[1][0], value[1][1], timeout=timeout)
        return value if done else None
    if f == "add":
        redis.call("SADD", "set", value, timeout=timeout)
        return value
    raise Refused(f"this client does not know {f}")


def main():
    address = redis = None
    for line in sys.stdin:
        request = json.loads(line)
        answer = {"id": request["id"], "type": "ok"}
        if request["op"] == "open":
            address = request["address"]
        elif request["op"] == "invoke":
            sent = False
            try:
                redis = redis or Redis(address)
                sent = True
                value = perform(redis, request["f"], request["value"], request["timeout-ms"] / 1000)
                answer["value"] = value
                if value is None:
                    answer.update(type="fail", error="the condition did not hold")
            except Refused as error:
                answer.update(type="fail", error=str(error))
            except OSError as error:
                # A read has no effect; anything else may have had one once it was sent.
                answer.update(type="info" if sent and request["f"] != "read" else "fail", error=str(error))
                redis = None
        print(json.dumps(answer), flush=True)


main()
