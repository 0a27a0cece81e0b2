"""Engines as they should not be. First argument: rubbish, dies, half, deaf, hung or other-protocol."""

from __future__ import annotations

import json
import os
import sys
import time


def say(**message: object) -> None:
    os.write(1, (json.dumps({"jsonrpc": "2.0", **message}) + "\n").encode())


def file_of(pattern: str, frame: int) -> str:
    return pattern.replace("####", f"{frame:04d}")


def main(how: str) -> None:
    if how == "rubbish":
        print("Welcome to this Python! Type help.", flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        if asked["method"] == "hello":
            say(
                id=asked["id"],
                result={"protocol": 99 if how == "other-protocol" else 1, "version": "0", "device": "cpu"},
            )
            if how == "hung":
                time.sleep(3600)
        elif asked["method"] == "status" and how != "deaf":
            frames = asked["params"]["shot"]["frames"]
            say(id=asked["id"], result={"cached": "", "missing": frames, "tasks": [frames], "spans": [frames]})
        elif asked["method"] == "render" and how == "dies":
            sys.stderr.write("Segmentation fault in a library\n")
            sys.stderr.flush()
            os._exit(3)
        elif asked["method"] == "render" and how == "half":
            shot = asked["params"]["shot"]
            first, last = (int(text) for text in shot["frames"].split("-"))
            for frame in range(first, (first + last) // 2 + 1):
                where = {"id": asked["id"], "frame": frame, "path": file_of(shot["plate"], frame)}
                say(method="frame", params={**where, "confidence": 0.5, "subject": "matte"})
            data = {"frame": frame + 1, "kind": "PlateError"}
            say(id=asked["id"], error={"code": 4, "message": f"frame {frame + 1} is unreadable", "data": data})


if __name__ == "__main__":
    main(sys.argv[1])
