"""Work for an agent without a server. One file, nothing but the standard library; it may be copied as it is.

    from waypost_client import register, work

    token = register("http://localhost:4280", "shout")["token"]
    work("http://localhost:4280", token, lambda job: job.text.upper())

A job is leased, its lease kept alive while the handler runs, and settled with what the handler gives back. Whoever loses
the lease learns it by `job.aborted`; whatever it says afterwards is refused and changes nothing. Python 3.9 or newer.
"""

import datetime
import email.utils
import http.client
import json
import random
import socket
import threading
import time
import urllib.error
import urllib.request

__all__ = [
    "register", "work", "Job", "TryAgain", "GatewayError", "LeaseLost", "Canceled", "Stopping", "OutcomeUnknown",
    "NewMessages",
]

WAIT_SECONDS = 50
FIRST_WAIT = 0.5
LONGEST_WAIT = 30.0
RETRY_AFTER_MAX = 60.0
# How long a renewal or a settlement waits before it is tried again, at most.
AGAIN_WAIT = 5.0
# How long a handler has to end after it was aborted, and a settlement to arrive.
LAST_WORDS = 5.0
ANSWER_BYTES_MAX = 64 * 1024 * 1024


class GatewayError(Exception):
    """The gateway said no. `status`, `code`, `hint`, and of new_messages `new_messages`."""

    def __init__(self, status, problem):
        super().__init__(problem.get("detail") or "HTTP %d" % status)
        self.status = status
        self.code = problem.get("code") or "HTTP_%d" % status
        self.hint = problem.get("hint")
        self.new_messages = problem.get("newMessages") or []


class LeaseLost(Exception):
    """Another attempt has it, or the task has ended."""


class Canceled(Exception):
    """Its sender wants it canceled: a handler that raises, or gives back None, agrees."""


class Stopping(Exception):
    """This program ends; the work goes back."""


class OutcomeUnknown(Exception):
    """A chunk may have arrived or not."""


class NewMessages(Exception):
    """Raised by `complete`: the sender has said more. The lease goes on."""

    def __init__(self, messages):
        super().__init__("the sender has said more to this task")
        self.messages = messages


class TryAgain(Exception):
    """Raised by a handler: try it again, until the attempts are spent. Any other exception fails the task with its text."""

    def __init__(self, message="", delay_seconds=None):
        super().__init__(message)
        self.delay_seconds = delay_seconds


class _Unreachable(Exception):
    def __init__(self, cause):
        super().__init__("no answer: %s" % cause)
        reason = getattr(cause, "reason", cause)
        # Nothing was sent.
        self.unsent = isinstance(reason, (ConnectionRefusedError, socket.gaierror))


class _Busy(GatewayError):
    def __init__(self, status, problem, retry_after):
        super().__init__(status, problem)
        self.retry_after = float(retry_after) if retry_after and retry_after.isdigit() else None


_TEMPORARY = (_Unreachable, _Busy)


def _is_unknown(error):
    if isinstance(error, _Unreachable):
        return not error.unsent
    return error.status != 429 and error.code != "UNAVAILABLE"


def _wait_for(error, tries, longest=LONGEST_WAIT):
    own = min(FIRST_WAIT * 2 ** min(tries, 16), longest) * (0.5 + random.random())
    return max(own, min(getattr(error, "retry_after", None) or 0.0, RETRY_AFTER_MAX))


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    # The token goes where it was meant to go, and nowhere else.
    def redirect_request(self, *_):
        return None


class _Line:
    def __init__(self, gateway, token=None):
        self.gateway = gateway.rstrip("/")
        self.token = token
        self.opener = urllib.request.build_opener(_NoRedirect)

    def once(self, path, body, timeout=30.0):
        """The answer and when it was given, by the gateway's clock."""
        headers = {"content-type": "application/json"}
        if self.token:
            headers["authorization"] = "Bearer " + self.token
        request = urllib.request.Request(self.gateway + path, json.dumps(body).encode(), headers, method="POST")
        try:
            with self.opener.open(request, timeout=timeout) as answer:
                status, head, text = answer.status, answer.headers, answer.read(ANSWER_BYTES_MAX)
        except urllib.error.HTTPError as error:
            with error:
                try:
                    problem = json.loads(error.read(ANSWER_BYTES_MAX))
                except (ValueError, OSError, http.client.HTTPException):
                    problem = {}
            problem = problem if isinstance(problem, dict) else {}
            if error.code == 429 or error.code >= 500:
                raise _Busy(error.code, problem, error.headers.get("retry-after")) from None
            raise GatewayError(error.code, problem) from None
        except (OSError, http.client.HTTPException) as error:
            raise _Unreachable(error) from None
        try:
            given = None if status == 204 else json.loads(text)
        except ValueError as error:
            raise _Unreachable(error) from None
        date = head.get("date")
        at = email.utils.parsedate_to_datetime(date).timestamp() if date else time.time()
        return given, at

    def again(self, path, body, over, on_retry, until=float("inf"), repeats=True):
        """The same words, until the gateway answers, `until` has come, or it is over."""
        tries = 0
        while True:
            try:
                return self.once(path, body)[0]
            except _TEMPORARY as error:
                if not repeats and _is_unknown(error):
                    raise OutcomeUnknown(str(error)) from None
                wait = _wait_for(error, tries, AGAIN_WAIT)
                tries += 1
                if time.monotonic() + wait > until:
                    raise
                on_retry(error)
                if over.wait(wait):
                    raise


class Job:
    """Work in hand: `lease`, `delivery`, `attempt`, `text`, `sender`, `skill`, `message`, `task`, `checkpoint`, … as the
    gateway hands it out, all of it in `work`. What is said of it raises LeaseLost when somebody else has it."""

    def __init__(self, work, length, line, options):
        self.work = work
        for name in ("lease", "delivery", "attempt", "deadline", "text", "priority", "skill", "message", "task", "checkpoint"):
            setattr(self, name, work.get(name))
        self.sender = work.get("from")
        self.reclaimed = bool(work.get("reclaimed"))
        # How often the handler has been called for it before, because the sender had said more.
        self.round = 0
        # Set when it should stop; `reason` says why: LeaseLost, Canceled or Stopping.
        self.aborted = threading.Event()
        self.reason = None
        self._line, self._options, self._length = line, options, length
        self._path = "/v1/leases/%s/" % work["lease"]
        self._over = threading.Event()
        self._lock = threading.RLock()
        self._held_until = time.monotonic() + length
        self._lost = None
        self._settled = None
        self._known, self._waiting, self._given, self._read, self._listeners = set(), [], [], [], []

    # What a handler says.

    def unread(self):
        """What the sender has said since and was not given before; it counts as read."""
        with self._lock:
            before, self._given = self._given, []
            return before + self._take()

    def on_message(self, listener):
        """Called for each of them as soon as it is known, in another thread; it counts as read."""
        with self._lock:
            for message in self.unread():
                listener(message)
            self._listeners.append(listener)

    def update(self, text=None, **said):
        """`text`, `parts`, `artifact` with `append` and `lastChunk`, `progress` (0 to 100), `checkpoint`. Raises
        OutcomeUnknown when it cannot be said whether a chunk to append arrived; everything else is repeated."""
        if text is not None:
            said["text"] = text
        self._report("update", said, not said.get("append"))

    def artifact(self, **about):
        """An artifact that grows: `write(text or part)`, `end()`. `artifactId`, `name`, `description`, `metadata`."""
        return _Writer(about, lambda said, repeats: self._report("update", said, repeats))

    def complete(self, text=None, **result):
        """`parts`, `artifacts`; with `{"as": "message"}` text or parts are a Message, which whoever still waits for an answer gets
        instead of the task."""
        self._settle("complete", _words(text, result))

    def fail(self, text=None, retry=False, delay_seconds=None):
        said = {"retry": True} if retry else {}
        if delay_seconds is not None:
            said["delaySeconds"] = delay_seconds
        self._settle("fail", _words(text, said))

    def reject(self, text=None):
        self._settle("reject", _words(text, {}))

    def ask(self, text=None, **question):
        self._settle("ask", _words(text, question))

    def auth(self, text=None, **question):
        self._settle("auth", _words(text, question))

    def release(self, delay_seconds=None):
        self._settle("release", {} if delay_seconds is None else {"delaySeconds": delay_seconds})

    # How the lease is kept.

    def _abort(self, why):
        with self._lock:
            if not self.aborted.is_set():
                self.reason = why
                self.aborted.set()

    def _take(self):
        messages, self._waiting = self._waiting, []
        self._read.extend(message["delivery"] for message in messages)
        return messages

    def _hear(self, messages):
        with self._lock:
            for one in messages:
                if one["delivery"] in self._known:
                    continue
                self._known.add(one["delivery"])
                (self._read.append(one["delivery"]) if self._listeners else self._waiting.append(one))
                for listener in self._listeners:
                    listener(one)

    def _say(self, verb, said, **how):
        if self._lost:
            raise self._lost
        if self._over.is_set():
            raise RuntimeError("this job was settled before: %s" % (self._settled or "given up"))
        try:
            tell = lambda error: self._options["on_error"](error, self)  # noqa: E731
            return self._line.again(self._path + verb, said, self._over, tell, **how)
        except GatewayError as error:
            if error.code != "lease_lost" and error.status != 404:
                raise
            self._lost = self._lost or LeaseLost(str(error))
            self._abort(self._lost)
            self._over.set()
            raise self._lost from None

    def _report(self, verb, said, repeats):
        """Everything that is said of a lease that goes on also renews it."""
        with self._lock:
            take, self._read = self._read, []
        body = dict(said)
        if self._options.get("lease_seconds"):
            body["leaseSeconds"] = self._options["lease_seconds"]
        if take:
            body["take"] = take
        started = time.monotonic()
        try:
            alive = self._say(verb, body, until=self._held_until, repeats=repeats) or {}
        except BaseException:
            with self._lock:
                self._read.extend(take)
            raise
        self._held_until = max(self._held_until, started + self._length)
        self._hear(alive.get("newMessages") or [])
        if alive.get("cancelRequested"):
            self._abort(Canceled("its sender has canceled it"))

    def _keep_alive(self):
        while not self._over.wait(min(self._length / 3, self._options["check_seconds"])):
            try:
                self._report("renew", {}, True)
            except Exception as error:
                if self._lost or self._over.is_set():
                    return
                self._options["on_error"](error, self)
                # Whoever is not heard of for a whole lease has lost it, whatever the reason; its words are still tried.
                if time.monotonic() >= self._held_until:
                    self._abort(LeaseLost("the lease could not be renewed in time"))

    def _settle(self, verb, said):
        with self._lock:
            if self._settled:
                raise RuntimeError("this job was settled before: %s" % self._settled)
            self._settled = verb
        try:
            if self._read and verb == "complete":
                self._report("renew", {}, True)
            self._say(verb, said)
            self._over.set()
        except BaseException as error:
            self._settled = None
            if isinstance(error, GatewayError) and error.code == "new_messages":
                self._hear(error.new_messages)
                raise NewMessages(error.new_messages) from None
            raise

    def _give_back(self):
        if not self._settled and not self._lost:
            # A line over which no lease can be kept counts as an attempt; a cancel or a stop does not.
            self.release(None if isinstance(self.reason, LeaseLost) else 0)

    def _perform(self, handler):
        result = None
        while True:
            if result is None:
                answer = handler(self)
                if self._settled or self._lost:
                    return
                if self.aborted.is_set() and answer is None:
                    return self._give_back()
                result = _result(answer)
            try:
                return self._settle("complete", result)
            except NewMessages:
                with self._lock:
                    self._given = self._take()
                if self._options["new_messages"] == "again":
                    self.round += 1
                    result = None
                else:
                    ignore = result.get("ignore", []) + [one["delivery"] for one in self._given]
                    result = dict(result, ignore=ignore)

    def _run(self, handler):
        alive = threading.Thread(target=self._keep_alive, daemon=True)
        alive.start()
        try:
            self._perform(handler)
        except Exception as error:
            if self._lost or self._settled:
                return
            if self.aborted.is_set():
                return self._give_back()
            text = str(error) or type(error).__name__
            if isinstance(error, TryAgain):
                self.fail(text, retry=True, delay_seconds=error.delay_seconds)
            else:
                self.fail(text)
        finally:
            self._over.set()
            alive.join()


def _words(text, said):
    return dict(said, text=text) if text is not None else dict(said)


def _result(answer):
    if answer is None:
        return {}
    if isinstance(answer, str):
        return {"text": answer}
    return {"parts": answer} if isinstance(answer, list) else dict(answer)


class _Writer:
    """A chunk whose fate is not known is followed by the whole, in its place."""

    def __init__(self, about, send):
        self._about, self._send, self._written = about, send, []
        self._turn = threading.Lock()

    def write(self, part):
        self._chunk({"text": part} if isinstance(part, str) else part, False)

    def end(self):
        self._chunk({"text": ""}, True)

    def _chunk(self, part, last):
        with self._turn:
            self._written.append(part)
            batches, append = [[part]], len(self._written) > 1
            while True:
                try:
                    for at, parts in enumerate(batches):
                        more = append or at > 0
                        said = {"artifact": dict(self._about, parts=parts), "append": more}
                        self._send(dict(said, lastChunk=last and at == len(batches) - 1), not more)
                    return
                except OutcomeUnknown:
                    batches, append = _batches(self._written), False


def _batches(parts):
    """One request takes 256 parts and 4 MiB."""
    batches, chars = [], 0
    for part in parts:
        more = len(json.dumps(part))
        if batches and len(batches[-1]) < 200 and chars + more <= 2000000:
            batches[-1].append(part)
            chars += more
        else:
            batches.append([part])
            chars = more
    return batches


def register(gateway, name, key=None, **document):
    """Registers a mailbox: `name`, `address`, `url`, `card`, `created`, and `token` only when it was made now. `key` is not
    needed on the gateway's own machine. Raises GatewayError."""
    return _Line(gateway, key).once("/v1/agents", dict(document, name=name))[0]


def work(gateway, token, handler, *, worker=None, concurrency=1, lease_seconds=None, check_seconds=5.0, filter=None,
         new_messages="again", stop=None, stop_seconds=30.0, on_error=None):
    """Works until `stop` (a threading.Event) is set; raises when the gateway refuses for good, after what is in hand has
    ended. That the gateway cannot be reached is no such reason.

    handler         a Job to its result: text, a list of parts, a dict with `text`, `parts`, `artifacts` or `as`, or None
    worker          a name that stays through restarts and that nobody else uses meanwhile: what it held it goes on with
    concurrency     jobs side by side; no more than the agent's maxInflight are handed out
    check_seconds   how often at least the gateway is asked whether the sender has canceled or said more
    filter          urgent, minPriority, contextId, from, skill
    new_messages    the sender said more, and the handler did not read it: "again" calls it again, "ignore" goes on
    stop_seconds    how long what is in hand may take after `stop`, before it is aborted and given back
    on_error        hears of what went wrong and is tried again: (error, job or None)
    """
    stop = stop or threading.Event()
    on_error = on_error or (lambda error, job: None)
    line = _Line(gateway, token)
    options = {"lease_seconds": lease_seconds, "check_seconds": check_seconds, "new_messages": new_messages,
               "on_error": on_error}
    held, changed, polls = set(), threading.Condition(), []
    # An answer may have been lost, and work with it; what is held under our own name is asked for when nothing else is.
    state = {"doubt": True, "tries": 0}

    def run(job):
        try:
            job._run(handler)
        except Exception as error:
            on_error(error, job)
        finally:
            with changed:
                held.discard(job)
                changed.notify_all()

    def lease(room, reclaim):
        body = dict(filter or {}, max=min(room, 64))
        if worker is not None:
            body["worker"] = worker
        if reclaim:
            body["reclaim"] = True
        if lease_seconds is not None:
            body["leaseSeconds"] = lease_seconds
        given, at = line.once("/v1/inbox/lease?wait=%d" % WAIT_SECONDS, body, WAIT_SECONDS + 15)
        offers = [] if given is None else given.get("items", [given])
        for offer in offers:
            # By the gateway's own clock, which need not be ours; its Date has whole seconds.
            length = lease_seconds or _moment(offer["expires"]) - at - 1.0
            job = Job(offer, max(length, 0.5), line, options)
            with changed:
                held.add(job)
            if stop.is_set():
                _quietly(job._give_back)
            else:
                threading.Thread(target=run, args=(job,), daemon=True).start()
        return offers

    def poll(room, reclaim):
        # In a thread of its own: a wait of fifty seconds must not hold up whoever wants to stop.
        started = time.monotonic()
        try:
            offers = lease(room, reclaim)
            state.update(doubt=False, tries=0)
            # A gateway that is stopping ends all waits at once.
            if not offers and time.monotonic() - started < 0.5:
                stop.wait(FIRST_WAIT * (0.5 + random.random()))
        except _TEMPORARY as error:
            on_error(error, None)
            state["doubt"] = True
            stop.wait(_wait_for(error, state["tries"]))
            state["tries"] += 1
        except Exception as error:
            state["failed"] = error
        finally:
            with changed:
                polls.pop()
                changed.notify_all()

    while not stop.is_set() and "failed" not in state:
        with changed:
            room = concurrency - len(held)
            if room > 0 and not polls:
                polls.append(True)
                reclaim = worker is not None and state["doubt"] and not held
                threading.Thread(target=poll, args=(room, reclaim), daemon=True).start()
            # A timeout, because an Event cannot wake a Condition.
            changed.wait(0.1)

    def settled(seconds):
        with changed:
            return changed.wait_for(lambda: not held, seconds)

    if not settled(stop_seconds):
        for job in list(held):
            job._abort(Stopping("this worker stops"))
        if not settled(LAST_WORDS):
            for job in list(held):
                _quietly(job._give_back)
                job._over.set()
    if "failed" in state:
        raise state["failed"]


def _quietly(act):
    try:
        act()
    except Exception:
        pass


def _moment(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
