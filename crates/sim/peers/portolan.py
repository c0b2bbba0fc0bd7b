"""Portolan's side: `fleet-bench answers`, which holds a loaded server and measures a turn a line."""

import json
import subprocess

END_S = 180


class Portolan:
    """A loaded server; it ends with this."""

    def __init__(self, command: list[str]):
        """Starts and loads. `command` is the whole of `fleet-bench answers …`."""
        self._child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        told = self._line()
        self.hosts = told["hosts"]
        self.open_ports = told["open_ports"]
        self.answers = told["answers"]

    def turn(self, question: str) -> float:
        """The median answer time of a turn, in seconds."""
        self._child.stdin.write(question + "\n")
        self._child.stdin.flush()
        return self._line()["p50_us"] / 1e6

    def _line(self) -> dict:
        line = self._child.stdout.readline()
        if not line:
            raise RuntimeError(f"fleet-bench ended with {self._child.wait(END_S)}")
        return json.loads(line)

    def __enter__(self) -> "Portolan":
        return self

    def __exit__(self, failure, *_) -> None:
        self._child.stdin.close()
        try:
            status = self._child.wait(END_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            status = self._child.wait()
        if status != 0 and failure is None:
            raise RuntimeError(f"fleet-bench ended with {status}")
