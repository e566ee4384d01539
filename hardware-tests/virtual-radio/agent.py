"""Runs in the guest: executes shell commands for the host, on port 7000.

One JSON line in, one JSON line out, per connection:
  {"run": "COMMAND", "timeout_s": 60}  ->  {"status": 0, "output": "..."}   (status 124 after the time: it was killed)
  {"quit": true}                       ->  {}   and the guest ends
It also relays connections: from port 20000 + N to port N of the guest's loopback, for each N in $RADIO_RELAYED.
"""

import asyncio
import json
import os
import signal


async def run(command, timeout_s):
    process = await asyncio.create_subprocess_exec(
        "bash", "-c", command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT, start_new_session=True)
    output = bytearray()

    async def read():
        while part := await process.stdout.read(65536):
            output.extend(part)
        await process.wait()

    status = None
    try:
        await asyncio.wait_for(read(), timeout_s)
        status = process.returncode
    except TimeoutError:
        os.killpg(process.pid, signal.SIGKILL)
        status = 124
    return {"status": status, "output": output.decode(errors="replace")}


async def copy(reader, writer):
    try:
        while part := await reader.read(65536):
            writer.write(part)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def relay(port):
    async def serve(reader, writer):
        try:
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:  # Nobody listens yet: the other side sees the connection end.
            writer.close()
            return
        await asyncio.gather(copy(reader, inner_writer), copy(inner_reader, writer))

    await asyncio.start_server(serve, "0.0.0.0", port + 20000)


async def main():
    for port in os.environ.get("RADIO_RELAYED", "").split():
        await relay(int(port))
    quitting = asyncio.Event()

    async def serve(reader, writer):
        try:
            order = json.loads(await reader.readline())
            answer = {}
            if "run" in order:
                answer = await run(order["run"], order.get("timeout_s", 60))
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
            if order.get("quit"):
                quitting.set()
        except (ValueError, ConnectionError) as error:
            print("agent:", repr(error), flush=True)
        finally:
            writer.close()

    async with await asyncio.start_server(serve, "0.0.0.0", 7000, limit=4 << 20):
        await quitting.wait()


asyncio.run(main())
