"""Run ProbeOps on a loopback port.

usage: DATABASE_URL=... JWT_SECRET=... python tests/app/serve.py --port N

The first line on standard output is `listening on 127.0.0.1:PORT`, printed once
requests are accepted, so a test can start the app with --port 0 and read the
port. Everything else goes to standard error.
"""

import argparse
import logging
import socket
import sys

import uvicorn

HOST = "127.0.0.1"


class AnnouncingServer(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and sockets:
            port = sockets[0].getsockname()[1]
            print(f"listening on {HOST}:{port}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Run ProbeOps on 127.0.0.1.")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free port")
    args = parser.parse_args()

    logging.basicConfig(
        stream=sys.stderr,
        level=logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )

    # Imported here, not above: the import reads the settings, --help needs none.
    try:
        from probeops.main import app
    except RuntimeError as error:
        sys.exit(f"probeops: {error}")

    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        # A restart on the same port must not wait for old connections to age.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, args.port))
        except (OSError, OverflowError) as error:
            sys.exit(f"probeops: cannot listen on {HOST}:{args.port}: {error}")
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=3,
        )
        AnnouncingServer(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
