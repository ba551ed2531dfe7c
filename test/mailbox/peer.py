"""The official Python client (a2a-sdk) against an agent without a server: `peer.py <base> <away> <key> <binding> <receiver>`.

Each deed is a line of JSON on stdout: what was done, whether it went as it should, what was seen."""

import asyncio
import json
import sys
import time
import uuid

import httpx
from a2a.client import ClientConfig, ClientFactory
from a2a.types import a2a_pb2 as a2a

base, away, key, binding, receiver = sys.argv[1:6]
State = a2a.TaskState


def message(text, **more):
    return a2a.Message(message_id=str(uuid.uuid4()), role=a2a.Role.ROLE_USER, parts=[a2a.Part(text=text)], **more)


async def connect(url, streaming):
    http = httpx.AsyncClient(headers={"authorization": "Bearer " + key}, timeout=90)
    config = ClientConfig(streaming=streaming, httpx_client=http, supported_protocol_bindings=[binding])
    return await ClientFactory(config).create_from_url(url)


async def events(client, text, configuration=None, **more):
    request = a2a.SendMessageRequest(message=message(text, **more))
    if configuration is not None:
        request.configuration.CopyFrom(configuration)
    return [event async for event in client.send_message(request)]


async def sent(client, text, configuration=None, **more):
    """The task that a send without a stream is answered with."""
    return (await events(client, text, configuration, **more))[-1].task


def made(task):
    return [part.text for artifact in task.artifacts for part in artifact.parts]


async def send(plain, _streaming):
    task = await sent(plain, "artifact please")
    return task.status.state == State.TASK_STATE_COMPLETED and made(task) == ["Generated text content"], str(made(task))


async def stream(_plain, streaming):
    seen = await events(streaming, "chunks:3")
    states = [State.Name(event.status_update.status.state) for event in seen if event.HasField("status_update")]
    texts = [event.artifact_update.artifact.parts[0].text for event in seen if event.HasField("artifact_update")]
    return states[-1:] == ["TASK_STATE_COMPLETED"] and texts == ["c1 ", "c2 ", "c3 "], str(states)


async def get_and_list(plain, _streaming):
    context = str(uuid.uuid4())
    task = await sent(plain, "artifact", context_id=context)
    same = await plain.get_task(a2a.GetTaskRequest(id=task.id))
    listed = await plain.list_tasks(a2a.ListTasksRequest(context_id=context))
    found = [one.id for one in listed.tasks]
    return same.id == task.id and made(same) == made(task) and found == [task.id], "%d listed" % len(found)


async def ask_back(plain, _streaming):
    asked = await sent(plain, "input")
    done = await sent(plain, "artifact", task_id=asked.id, context_id=asked.context_id)
    ok = asked.status.state == State.TASK_STATE_INPUT_REQUIRED and done.id == asked.id
    return ok and done.status.state == State.TASK_STATE_COMPLETED, State.Name(done.status.state)


NOW = a2a.SendMessageConfiguration(return_immediately=True)


async def cancel(plain, _streaming):
    task = await sent(plain, "delay", NOW)
    until = time.monotonic() + 60
    while (await plain.get_task(a2a.GetTaskRequest(id=task.id))).status.state != State.TASK_STATE_WORKING:
        assert time.monotonic() < until, "it is not begun"
        await asyncio.sleep(0.05)
    await plain.cancel_task(a2a.CancelTaskRequest(id=task.id))
    while (state := (await plain.get_task(a2a.GetTaskRequest(id=task.id))).status.state) == State.TASK_STATE_WORKING:
        assert time.monotonic() < until, "it is not canceled"
        await asyncio.sleep(0.05)
    return state == State.TASK_STATE_CANCELED, State.Name(state)


async def push(plain, _streaming):
    config = a2a.TaskPushNotificationConfig(url=receiver + "python-" + binding.replace("+", ""), token="t0k")
    task = await sent(plain, "slow:300", a2a.SendMessageConfiguration(return_immediately=True, task_push_notification_config=config))
    more = a2a.TaskPushNotificationConfig(task_id=task.id, id="mine", url=receiver + "second")
    await plain.create_task_push_notification_config(more)
    listed = await plain.list_task_push_notification_configs(a2a.ListTaskPushNotificationConfigsRequest(task_id=task.id))
    got = await plain.get_task_push_notification_config(a2a.GetTaskPushNotificationConfigRequest(task_id=task.id, id="mine"))
    await plain.delete_task_push_notification_config(a2a.DeleteTaskPushNotificationConfigRequest(task_id=task.id, id="mine"))
    return len(listed.configs) == 2 and got.url == more.url, task.id


async def wait_for_nobody(_plain, _streaming):
    client = await connect(away, False)
    began = time.monotonic()
    task = await sent(client, "wait for me")
    took = time.monotonic() - began
    canceled = await client.cancel_task(a2a.CancelTaskRequest(id=task.id))
    ok = task.status.state == State.TASK_STATE_SUBMITTED and canceled.status.state == State.TASK_STATE_CANCELED
    return ok, "%.1f s" % took


async def main():
    plain, streaming = await connect(base, False), await connect(base, True)
    for deed in (send, stream, get_and_list, ask_back, cancel, push, wait_for_nobody):
        try:
            ok, found = await deed(plain, streaming)
        except Exception as error:
            ok, found = False, "%s: %s" % (type(error).__name__, error)
        print(json.dumps({"deed": deed.__name__, "ok": bool(ok), "found": str(found)[:300]}), flush=True)


asyncio.run(main())
