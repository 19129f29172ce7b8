# localstripe as a real server, and a stand-in in front of it for what it lacks: ephemeral keys, answers that stay the same
# for an idempotency key, and a way to lose answers. Prints the ports of both, then serves until its input ends.
import asyncio, sys
from aiohttp import ClientSession, web
from localstripe.server import app as localstripe

VERSION = "2024-09-30.acacia"
answers, mute = {}, []


def refused(why):
    return web.json_response({"error": {"type": "invalid_request_error", "message": why}}, status=400)


async def serve(app):
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    return site._server.sockets[0].getsockname()[1]


async def front(request):
    body = await request.read()
    if request.path == "/_mute":
        mute.append(body.decode())
        return web.Response()
    if request.headers.get("Stripe-Version") != VERSION:
        return refused("version")
    key = request.headers.get("Idempotency-Key")
    if request.method == "POST" and not key:
        return refused("no key")
    if request.path == "/v1/ephemeral_keys":
        secret = "ek_test_" + (await request.post())["customer"]
        return web.json_response({"object": "ephemeral_key", "secret": secret})
    if key not in answers:
        headers = {name: request.headers[name] for name in ("Authorization", "Content-Type") if name in request.headers}
        async with ClientSession() as session:
            url = f"http://127.0.0.1:{behind}{request.path_qs}"
            async with session.request(request.method, url, data=body, headers=headers) as answer:
                told = answer.status, await answer.read()
        if request.method == "GET":
            return web.Response(status=told[0], body=told[1], content_type="application/json")
        answers[key] = told
    if mute and mute[0] in request.path:
        mute.pop(0)
        request.transport.abort()
    return web.Response(status=answers[key][0], body=answers[key][1], content_type="application/json")


async def main():
    global behind
    behind = await serve(localstripe)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", front)
    print(await serve(app), behind, flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main())
