"""Records what a real Keystone answers, byte by byte: crates/server/tests/vectors/keystone.

Arguments: the address that `real_keystone.py` says, and the folder to write to.
"""

import json
import socket
import sys

from keystone_fleet import login, make

KEYSTONE, FOLDER = sys.argv[1:3]
HOST = KEYSTONE.removeprefix("http://")
UNKNOWN = "gAAAAABunknown-unknown-unknown-unknown"


def ask(method, path, headers, body=b""):
    """The answer as its bytes come; Keystone's server ends the connection after it."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {HOST}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    host, port = HOST.split(":")
    with socket.create_connection((host, int(port))) as stream:
        stream.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        return b"".join(iter(lambda: stream.recv(65536), b""))


def keep(name, answer):
    with open(f"{FOLDER}/{name}.http", "wb") as file:
        file.write(answer)


def service_log_in(password):
    domain = {"name": "Default"}
    user = {"name": "portolan", "domain": domain, "password": password}
    identity = {"methods": ["password"], "password": {"user": user}}
    scope = {"project": {"name": "service", "domain": domain}}
    body = json.dumps({"auth": {"identity": identity, "scope": scope}}).encode()
    return ask("POST", "/v3/auth/tokens?nocatalog", {"Content-Type": "application/json"}, body)


def main():
    fleet = make(KEYSTONE)["fleet"]
    answer = service_log_in("portolan-password")
    keep("service-log-in", answer)
    keep("service-log-in-refused", service_log_in("wrong"))
    lines = answer.decode().split("\r\n")
    service = next(line.split(": ")[1] for line in lines if line.startswith("X-Subject-Token: "))

    def validate(token, by=service):
        headers = {"X-Auth-Token": by, "X-Subject-Token": token}
        return ask("GET", "/v3/auth/tokens?nocatalog", headers)

    def token(name, **more):
        return login(KEYSTONE, name, **more).get_token()

    alice, bob = token("alice", project_id=fleet), token("bob", project_id=fleet)
    admins = {"project_name": "admin", "project_domain_name": "Default"}
    keep("alice", validate(alice))
    keep("bob", validate(bob))
    keep("unscoped", validate(token("alice", unscoped=True)))
    keep("admin", validate(token("admin", password="admin-password", **admins)))
    keep("unknown", validate(UNKNOWN))
    keep("service-token-ended", validate(alice, UNKNOWN))
    keep("not-allowed", validate(alice, bob))
    gone = token("alice", project_id=fleet)
    ask("DELETE", "/v3/auth/tokens", {"X-Auth-Token": gone, "X-Subject-Token": gone})
    keep("revoked", validate(gone))


if __name__ == "__main__":
    main()
