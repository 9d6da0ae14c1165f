"""What this machine has: cores, memory, GPUs, and two libraries that make a CPU fast.

Reads the system; imports neither torch nor vLLM, so it costs milliseconds.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

GIB = 1024**3
# where Debian, Fedora, a build from source and Homebrew put it
TCMALLOC_PLACES = ("/usr/lib", "/usr/lib64", "/usr/local/lib", "/opt/homebrew/lib")


@dataclass(frozen=True)
class Gpu:
    """One GPU."""

    name: str
    memory_bytes: int


@dataclass(frozen=True)
class Hardware:
    """As far as serving and training care."""

    cores: tuple[int, ...]
    processor: str
    memory_bytes: int
    available_bytes: int
    gpus: tuple[Gpu, ...]
    tcmalloc: Path | None
    openmp: Path | None

    @property
    def missing_libraries(self) -> tuple[str, ...]:
        """What a CPU server would be faster with, in one line each."""
        missing: list[str] = []
        if self.tcmalloc is None:
            missing.append(
                "libtcmalloc_minimal is missing: slow on a CPU. Run: apt-get install"
                " libtcmalloc-minimal4"
            )
        if self.openmp is None:
            missing.append(
                "libiomp5 is missing from the environment: slower generation. Run: make setup"
            )
        return tuple(missing)


def preload(*libraries: Path | None) -> dict[str, str]:
    """Environment of a process that loads these libraries before all others."""
    inherited = [one for one in os.environ.get("LD_PRELOAD", "").split(":") if one]
    wanted = dict.fromkeys([*(str(one) for one in libraries if one), *inherited])
    return {"LD_PRELOAD": ":".join(wanted)} if wanted else {}


def find_hardware() -> Hardware:
    """This machine, now."""
    total, available = _memory()
    return Hardware(
        cores=_cores(),
        processor=_processor(),
        memory_bytes=total,
        available_bytes=available,
        gpus=_gpus(),
        tcmalloc=_find(TCMALLOC_PLACES, "libtcmalloc_minimal.so.4"),
        openmp=_find((f"{sys.prefix}/lib",), "libiomp5.so"),
    )


def available_memory_bytes() -> int:
    """What programs can still take, no more than a container's limit leaves."""
    return _memory()[1]


def _cores() -> tuple[int, ...]:
    """Cores that this process may use, no more than a container's quota."""
    cores = sorted(os.sched_getaffinity(0))
    # cgroup v2: microseconds per period; a container with two CPUs of 64 sees all 64 cores
    quota = _words("/sys/fs/cgroup/cpu.max")
    if len(quota) == 2 and quota[0].isdigit():
        cores = cores[: max(1, round(int(quota[0]) / int(quota[1])))]
    return tuple(cores)


def _memory() -> tuple[int, int]:
    """Total and available bytes, no more than a container's limit."""
    lines = dict(
        line.split(":", 1) for line in Path("/proc/meminfo").read_text("ascii").splitlines()
    )
    total, available = (int(lines[name].split()[0]) * 1024 for name in ("MemTotal", "MemAvailable"))
    # /proc/meminfo is the whole machine's, in a container too
    limit, used = _words("/sys/fs/cgroup/memory.max"), _words("/sys/fs/cgroup/memory.current")
    if limit and limit[0].isdigit() and used:
        total = min(total, int(limit[0]))
        available = min(available, max(0, int(limit[0]) - int(used[0])))
    return total, available


def _words(file: str) -> list[str]:
    path = Path(file)
    return path.read_text("ascii").split() if path.is_file() else []


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return os.uname().machine


def _gpus() -> tuple[Gpu, ...]:
    """What nvidia-smi lists, of those that CUDA_VISIBLE_DEVICES leaves."""
    if shutil.which("nvidia-smi") is None:
        return ()
    command = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    if listed.returncode:
        return ()
    rows = [line.rpartition(",") for line in listed.stdout.splitlines() if "," in line]
    gpus = [
        Gpu(name.strip(), int(memory) * 1024**2)
        for name, _, memory in rows
        if memory.strip().isdigit()
    ]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return tuple(gpus)
    return tuple(
        # how many are visible; nvidia-smi numbers them otherwise than CUDA, so which is not decided
        # here
        gpus[: len([one for one in visible.split(",") if one.strip() and one.strip() != "-1"])]
    )


def _find(places: tuple[str, ...], name: str) -> Path | None:
    for place in places:
        for pattern in (name, f"*/{name}"):
            if found := sorted(Path(place).glob(pattern)):
                return found[0]
    return None
