"""A real Keystone in a folder of its own, on a free port of loopback: SQLite, fernet tokens.

Says its address as its first line, and serves until its standard input ends. Its administrator is
`admin` with the password `admin-password`, in the domain and project that Keystone bootstraps.
"""

import os
import subprocess
import sys
import threading

PASSWORD = "admin-password"

CONFIGURATION = """
[DEFAULT]
log_file = {folder}/keystone.log
[database]
connection = sqlite:///{folder}/keystone.db
[token]
provider = fernet
[fernet_tokens]
key_repository = {folder}/fernet-keys
[fernet_receipts]
key_repository = {folder}/fernet-keys
[credential]
key_repository = {folder}/credential-keys
[identity]
password_hash_rounds = 4
"""


def manage(folder, *words):
    program = os.path.join(os.path.dirname(sys.executable), "keystone-manage")
    configuration = ["--config-file", f"{folder}/keystone.conf"]
    done = subprocess.run([program, *configuration, *words], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"keystone-manage {' '.join(words)} failed: {done.stderr}")


def make(folder, url):
    for keys in ("fernet-keys", "credential-keys"):
        os.mkdir(f"{folder}/{keys}", 0o700)
    with open(f"{folder}/keystone.conf", "w") as file:
        file.write(CONFIGURATION.format(folder=folder))
    manage(folder, "db_sync")
    own = ["--keystone-user", str(os.getuid()), "--keystone-group", str(os.getgid())]
    manage(folder, "fernet_setup", *own)
    manage(
        folder, "bootstrap", "--bootstrap-password", PASSWORD,
        "--bootstrap-public-url", f"{url}/v3", "--bootstrap-region-id", "region",
    )


def main(folder):
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"

        def log(self, *_):
            pass

    # The port first: Keystone's own catalog tells it.
    answer = []
    server = make_server(
        "127.0.0.1", 0, lambda *request: answer[0](*request), threaded=True, request_handler=Quiet
    )
    url = f"http://127.0.0.1:{server.server_port}"
    make(folder, url)
    os.environ["OS_KEYSTONE_CONFIG_FILES"] = f"{folder}/keystone.conf"
    # It reads the command line as well.
    sys.argv = sys.argv[:1]
    from keystone.server import wsgi

    answer.append(wsgi.initialize_public_application())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(url, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1])
