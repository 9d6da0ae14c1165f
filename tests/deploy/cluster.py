"""A cluster of one machine without a container engine.

Each container is a process in a network and a root of its own making, laid out as its image is,
with its manifest's command, user, environment and mounts.

Needs root, for mount and network namespaces; no network of the machine's is touched.
"""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.deploy.manifests import BASE, ROOT, Container

NAMES = ("postgres", "object-store", "mlflow", "prefect-server")
PATIENCE_SECONDS = 240.0
SYSTEM = ("bin", "lib", "lib32", "lib64", "sbin", "usr")


@dataclass
class Started:
    """A container's process, and where it writes."""

    process: "subprocess.Popen[bytes]"
    log: Path

    def said(self) -> str:
        return self.log.read_text("utf-8", "replace")

    def terminate(self, grace_seconds: float) -> int:
        """SIGTERM, as a cluster does it; raises where the process does not end within its grace."""
        with suppress(ProcessLookupError):
            os.kill(self.process.pid, signal.SIGTERM)
        return self.process.wait(grace_seconds)


@dataclass
class Cluster:
    """A network namespace with a loopback, and the volumes of its containers."""

    folder: Path
    secrets: Mapping[str, str]
    started: list[Started] = field(default_factory=list[Started])
    _pause: "subprocess.Popen[bytes] | None" = None

    def __enter__(self) -> "Cluster":
        (self.folder / "hosts").write_text(
            "".join(f"127.0.0.1 {name}\n" for name in ("localhost", *NAMES)), "utf-8"
        )
        ready = self.folder / "ready"
        script = f"ip link set lo up && touch {shlex.quote(str(ready))} && exec sleep infinity"
        self._pause = subprocess.Popen(["unshare", "--net", "sh", "-c", script])
        self.await_(ready.exists)
        return self

    def __exit__(self, *_: object) -> None:
        for one in reversed(self.started):
            with suppress(ProcessLookupError):
                os.killpg(one.process.pid, signal.SIGKILL)
            one.process.wait()
        if self._pause:
            self._pause.kill()
            self._pause.wait()

    def run(self, one: Container, *arguments: str, **more: str) -> Started:
        """Start a container of ours.

        Arguments are added to its command, and variables to its environment.
        """
        root = self._root(one)
        environment = one.environment(dict(self.secrets)) | {"PYTHONPATH": "/src"} | more
        variables = [f"{name}={value}" for name, value in environment.items()]
        inside = [
            "env",
            "-i",
            *variables,
            "sh",
            "-c",
            'cd "$HOME" && exec "$@"',
            "sh",
            *one.spec["command"],
            *arguments,
        ]
        command = [
            "chroot",
            f"--userspec={one.uid}:{one.uid}",
            str(root),
            "setpriv",
            "--no-new-privs",
            *inside,
        ]
        return self._start(
            one.name, ["unshare", "--mount", "sh", "-c", self._layout(one, root), "sh", *command]
        )

    def beside(
        self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> Started:
        """Start what is not ours (other people's images) in the same network, as this machine has
        it.
        """
        return self._start(name, list(command), dict(os.environ) | dict(environment or {}))

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> int:
        """Status of a request from within; 0 where nobody answers."""
        code = (
            "import sys, urllib.request as u, urllib.error as e\nasked = u.Request(sys.argv[1],"
            " headers=dict(one.split(': ', 1) for one in sys.argv[2:]))\ntry:"
            " print(u.urlopen(asked, timeout=5).status)\nexcept e.HTTPError as x:"
            " print(x.code)\nexcept OSError: print(0)"
        )
        given = [f"{name}: {value}" for name, value in (headers or {}).items()]
        done = subprocess.run(
            [*self.enter(), sys.executable, "-c", code, url, *given],
            capture_output=True,
            text=True,
            check=True,
        )
        return int(done.stdout)

    def probe(self, one: Container, kind: str) -> bool:
        """What the kubelet would find."""
        asked = one.spec[kind]["httpGet"]
        port = next(
            each["containerPort"] for each in one.spec["ports"] if each["name"] == asked["port"]
        )
        headers = {each["name"]: each["value"] for each in asked.get("httpHeaders", [])}
        return 200 <= self.get(f"http://127.0.0.1:{port}{asked['path']}", headers) < 400

    def await_(self, good: Callable[[], bool], started: Started | None = None) -> None:
        """Return when `good()`; raise with the log when the process ended before."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            if good():
                return
            if started is not None and started.process.poll() is not None:
                break
            time.sleep(0.3)
        raise AssertionError(started.said()[-4000:] if started else "waited in vain")

    def processes(self, one: Container) -> list[int]:
        """What lives in the container's root."""
        found: list[int] = []
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if os.readlink(entry / "root") == str(self._root(one)):
                    found.append(int(entry.name))
        return found

    def volume(self, owner: str, mount: str) -> Path:
        """Where a container's mount lies on this machine."""
        return self.folder / "volumes" / owner / mount.strip("/").replace("/", "_")

    def enter(self) -> list[str]:
        assert self._pause is not None
        return ["nsenter", f"--net=/proc/{self._pause.pid}/ns/net"]

    def _start(
        self, name: str, command: list[str], environment: Mapping[str, str] | None = None
    ) -> Started:
        log = self.folder / f"{name}.log"
        with log.open("ab") as file:
            process = subprocess.Popen(
                [*self.enter(), *command],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                env=environment,
                start_new_session=True,
            )
        self.started.append(Started(process, log))
        return self.started[-1]

    def _root(self, one: Container) -> Path:
        root = self.folder / "roots" / one.name
        root.mkdir(parents=True, exist_ok=True)
        return root

    def _layout(self, one: Container, root: Path) -> str:
        """Shell that makes the root.

        An empty one, the system and the image's files read-only, the mounts as declared.

        Python's own place and that of the environment are kept, because an environment knows its
        own path.
        """
        lines = ["set -e", "mount --make-rprivate /", f"mount -t tmpfs -o mode=755 image {root}"]
        for name in SYSTEM:
            place = Path("/") / name
            if place.is_symlink():
                lines += [f"ln -s {os.readlink(place)} {root}/{name}"]
            elif place.is_dir():
                lines += _bound(place, root / name, read_only=True)
        for place in dict.fromkeys(
            [Path(sys.base_prefix), Path(sys.prefix), Path(sys.prefix).resolve()]
        ):
            lines += _bound(place, Path(f"{root}{place}"), read_only=True)
        lines += _bound(Path(sys.prefix), root / "opt" / "regenesis", read_only=True)
        for layer in ("flows", "tasks", "storage", "tests"):
            lines += _bound(ROOT / layer, root / "src" / layer, read_only=True)
        lines += [f"cp {ROOT}/prefect.yaml {root}/src/"]  # flows/prefect.yaml is a link to it
        lines += [f"mkdir -p {root}/proc {root}/dev {root}/etc {root}/var/lib"]
        lines += [f"mount --rbind /proc {root}/proc", f"mount --rbind /dev {root}/dev"]
        lines += [
            f"cp {self.folder}/hosts {root}/etc/hosts",
            f"cp /etc/nsswitch.conf {root}/etc/ || true",
        ]
        user = f"regenesis:x:{one.uid}:{one.uid}::/var/lib/regenesis:/bin/sh"
        lines += [f"echo '{user}' > {root}/etc/passwd"]
        lines += [f"mkdir -p {root}{mount}" for mount in one.mounts]
        lines += [f"mount -o remount,bind,ro {root}"]
        for mount, writable in one.mounts.items():
            own = self._volume_of(one, mount, writable)
            lines += [f"mount --bind {own} {root}{mount}"]
            lines += [] if writable else [f"mount -o remount,bind,ro {root}{mount}"]
        return "\n".join([*lines, 'exec "$@"'])

    def _volume_of(self, one: Container, mount: str, writable: bool) -> Path:
        own = self.volume(one.owner, mount)
        own.mkdir(parents=True, exist_ok=True)
        if not writable:
            shutil.copy(BASE / "basic_auth.ini", own)
        elif mount != "/dev/shm":
            shutil.chown(own, one.uid, one.uid)
        if mount == "/dev/shm":
            own.chmod(0o1777)
        return own


def _bound(place: Path, target: Path, *, read_only: bool) -> list[str]:
    lines = [f"mkdir -p {target}", f"mount --bind {place} {target}"]
    return [*lines, f"mount -o remount,bind,ro {target}"] if read_only else lines
