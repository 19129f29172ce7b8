"""What a NATS JetStream server acknowledges when it syncs each message to disk before it says so: the figure beside which
our own is put. Prints acknowledged messages a second.

    jetstream.py SERVER WRITERS SECONDS BYTES
"""

import asyncio
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nats


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


async def measure(url: str, writers: int, seconds: float, size: int) -> float:
    client = await nats.connect(url, max_reconnect_attempts=50, reconnect_time_wait=0.1)
    stream = client.jetstream()
    await stream.add_stream(name="events", subjects=["events"])
    payload, done, end = bytes(size), 0, time.monotonic() + seconds

    async def write() -> None:
        nonlocal done
        while time.monotonic() < end:
            await stream.publish("events", payload)
            done += 1

    start = time.monotonic()
    await asyncio.gather(*(write() for _ in range(writers)))
    rate = done / (time.monotonic() - start)
    await client.close()
    return rate


def main() -> None:
    server, writers, seconds, size = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        settings = Path(folder, "nats.conf")
        store = f'jetstream {{ store_dir: "{folder}/store", sync_interval: always }}'
        settings.write_text(f"listen: 127.0.0.1:{port}\n{store}\n")
        with subprocess.Popen([server, "-c", str(settings)], stderr=subprocess.DEVNULL) as process:
            try:
                for _ in range(100):
                    try:
                        socket.create_connection(("127.0.0.1", port)).close()
                        break
                    except OSError:
                        time.sleep(0.05)
                print(f"{asyncio.run(measure(f'nats://127.0.0.1:{port}', writers, seconds, size)):.0f}")
            finally:
                process.terminate()


main()
