"""A worker that does what the text says; worker.mjs is its twin. Tells on stdout what it does, a JSON line each."""

import json
import os
import queue
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../clients/python"))
sys.dont_write_bytecode = True
from waypost_client import TryAgain, work  # noqa: E402

options = json.loads(os.environ["WORKER"])
gateway, token, deaf_ms = options.pop("gateway"), options.pop("token"), options.pop("deafMs", 300)
NAMES = {"leaseSeconds": "lease_seconds", "checkSeconds": "check_seconds", "stopSeconds": "stop_seconds",
         "newMessages": "new_messages"}
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
writing = threading.Lock()


def tell(said, **more):
    with writing:
        print(json.dumps(dict(more, said=said)), flush=True)


def wrong(job, _):
    raise ValueError("it is wrong")


def again(job, _):
    if job.attempt == 1:
        raise TryAgain("not yet", 0)
    return "attempt %d" % job.attempt


def ask(job, _):
    job.ask("how many?", schema={"type": "integer"})


def chunks(job, _):
    artifact = job.artifact(artifactId="long")
    for piece in ["one ", "two ", "three"]:
        artifact.write(piece)
    artifact.end()


def steps(job, _):
    job.update("half way", progress=50, checkpoint={"at": 1})
    if job.attempt == 1:
        raise TryAgain("lost", 0)
    return json.dumps(job.checkpoint, separators=(",", ":"))


def hold(job, _):
    job.aborted.wait()
    tell("aborted", why=type(job.reason).__name__)
    raise job.reason


def finish(job, _):
    job.aborted.wait()
    return "finished all the same"


def hear(job, _):
    heard = queue.Queue()
    job.on_message(heard.put)
    return heard.get()["message"]["parts"][0]["text"]


def deaf(job, _):
    if job.round == 0:
        time.sleep(deaf_ms / 1000)
    return "|".join([job.text] + [one["message"]["parts"][0]["text"] for one in job.unread()])


def brief(job, _):
    time.sleep(0.02)
    return "done"


def ledger(job, _):
    time.sleep(0.005)
    return "%s %d %s" % (job.delivery, job.attempt, job.lease)


DOES = {
    "upper": lambda job, text: text.upper(),
    "nothing": lambda job, _: None,
    "parts": lambda job, _: [{"data": {"n": 1}}],
    "artifacts": lambda job, _: {"artifacts": [{"artifactId": "a", "text": "A"}, {"artifactId": "b", "text": "B"}]},
    "wrong": wrong, "again": again, "reject": lambda job, _: job.reject("not for me"), "ask": ask, "chunks": chunks,
    "steps": steps, "hold": hold, "finish": finish, "hear": hear, "deaf": deaf, "brief": brief,
    "ledger": ledger,
}


def handle(job):
    verb, _, rest = (job.task["history"][0]["parts"][0].get("text") or "").partition(":")
    tell("begun", text=job.text, attempt=job.attempt, reclaimed=job.reclaimed, delivery=job.delivery,
         lease=job.lease, at=time.time() * 1000)
    if job.text == "four":
        return "for four"
    answer = DOES[verb](job, rest)
    tell("done", text=job.text, delivery=job.delivery, lease=job.lease, at=time.time() * 1000)
    return answer


def on_error(error, job):
    tell("error", name=type(error).__name__, status=getattr(error, "status", None), job=job is not None)


try:
    work(gateway, token, handle, stop=stop, on_error=on_error,
         **{NAMES.get(name, name): value for name, value in options.items()})
    tell("stopped")
except Exception as error:
    tell("refused", code=getattr(error, "code", str(error)))
