"""verdict.v1 in Python, standard library alone: a WebSocket of JSON lines, a client's call, a participant on SQLite.

The rules are those of docs/PROTOCOL.md; the numbers in the comments are its sections.
"""

import base64, json, os, socket, sqlite3, struct, threading, time, uuid

PATIENCE_S = 5
# A clock that goes on while the machine sleeps: the age of a request must include that (4). Without it, Windows, monotonic() does.
CLOCK = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))
now = time.monotonic if CLOCK is None else lambda: time.clock_gettime(CLOCK)


class Wire:
    """One connection to a node: RFC 6455, as far as a client needs it."""

    def __init__(self, url, timeout=10, **hello):
        host, port = url.rsplit(":", 1)
        self.sending = threading.Lock()
        self.socket = socket.create_connection((host.strip("[]"), int(port)), timeout)
        self.file = self.socket.makefile("rb")
        key = base64.b64encode(os.urandom(16)).decode()
        lines = ["GET /v1 HTTP/1.1", f"Host: {url}", "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {key}",
                 "Sec-WebSocket-Version: 13", "Sec-WebSocket-Protocol: verdict.v1"]
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())
        status = self.file.readline().decode().strip()
        if " 101 " not in status:
            raise ConnectionError(f"{url} does not speak verdict.v1: {status or 'it closed the connection'}")
        while self.file.readline() not in (b"\r\n", b""):
            pass
        self.send(type="hello", protocol=1, **hello)

    def send(self, **message):
        self._frame(1, (json.dumps(message) + "\n").encode())

    def messages(self):
        """Every message, until the connection breaks (ConnectionError) or nothing at all comes in time (TimeoutError)."""
        text = b""
        while True:
            head, size = self._read(2)
            size &= 127
            if size > 125:
                (size,) = struct.unpack(*(("!H", self._read(2)) if size == 126 else ("!Q", self._read(8))))
            opcode, payload = head & 15, self._read(size)
            if opcode == 8:
                raise ConnectionError(payload[2:].decode() or "closed by the node")
            if opcode == 9:  # the node's heart-beat
                self._frame(10, payload)
            elif opcode < 3:
                text += payload
                if head & 128:
                    lines, text = text.splitlines(), b""
                    yield from map(json.loads, filter(None, lines))

    def close(self):
        self.socket.close()

    def _frame(self, opcode, payload):
        size, mask = len(payload), os.urandom(4)
        length = bytes([128 | size]) if size < 126 else struct.pack("!BH", 254, size) if size < 65536 else struct.pack("!BQ", 255, size)
        pad = (mask * (size // 4 + 1))[:size]
        masked = (int.from_bytes(payload, "big") ^ int.from_bytes(pad, "big")).to_bytes(size, "big")
        with self.sending:
            self.socket.sendall(bytes([128 | opcode]) + length + mask + masked)

    def _read(self, size):
        data = self.file.read(size)
        if len(data) < size:
            raise ConnectionError("the connection broke")
        return data


def transact(nodes, request_id, branches, timeout=30):
    """Sends the request until there is an outcome: the same request_id never commits twice. Raises TimeoutError."""
    started, attempt, epoch, leader, refused = now(), 1, None, None, None
    for turn in range(1_000_000):
        left = timeout - (now() - started)
        if left <= 0:
            raise TimeoutError(f"The outcome is not known. Send {request_id} again. Last: {refused}")
        try:
            wire = Wire(leader["url"] if leader else nodes[turn % len(nodes)], left, name="python", instance=str(uuid.uuid4()), roles=["client"])
            for answer in wire.messages():
                if answer["type"] == "welcome":
                    leader = leader or next(filter(None, answer["leaders"]), None)
                    if leader is None or leader["node"] != answer["node"]:
                        break
                    # An attempt belongs to one leadership: an "aborted" of an older one settles nothing for a newer (4).
                    attempt, epoch = attempt + (epoch not in (None, leader["epoch"])), leader["epoch"]
                    wire.send(type="transact", id=1, requestId=request_id, branches=branches, epoch=epoch, attempt=attempt,
                              requestAgeMs=round((now() - started) * 1000), timeoutMs=round(left * 1000))
                elif answer["type"] == "outcome":
                    return answer
                elif answer["type"] == "error":
                    refused, leader = answer["message"], answer.get("leader")
                    if not answer["retryable"]:
                        raise ValueError(f"{answer['code']}: {refused}")
                    break
        except OSError as error:  # it may have been received all the same: the request id takes care of that
            refused, leader = error, None
        finally:
            if "wire" in locals():
                wire.close()
        time.sleep(0.1)


class Participant:
    """Votes, outcomes and tombstones in the same SQLite database, and the same transaction, as the application's own data."""

    def __init__(self, name, path, prepare, commit, rollback):
        self.name, self.calls = name, {"prepare": prepare, "commit": commit, "rollback": rollback}
        self.lock, self.wires = threading.RLock(), {}
        self.store = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.store.executescript(
            """PRAGMA synchronous = FULL;
            CREATE TABLE IF NOT EXISTS verdict_facts (name TEXT PRIMARY KEY, value TEXT);
            CREATE TABLE IF NOT EXISTS verdict_branches
              (txid TEXT, branch TEXT, state TEXT, payload TEXT, witness TEXT, voted REAL, PRIMARY KEY (txid, branch));"""
        )
        self.store.execute("INSERT OR IGNORE INTO verdict_facts VALUES ('instance', ?)", (str(uuid.uuid4()),))

    def serve(self, nodes):
        """Keeps a connection to every node, forever: any of them may come to lead, and any of them can end a doubt."""
        for node in nodes:
            threading.Thread(target=self._serve, args=(node,), daemon=True).start()
        while True:  # 8.3: in doubt longer than the patience, ask; whoever leads says `undecided` while it is
            time.sleep(1)
            late = self._rows("state = 'prepared' AND voted < ?", time.time() - PATIENCE_S)
            for wire in list(self.wires.values()):
                for txid, _, _, _, witness, _ in late:
                    try:
                        wire.send(type="query", id=2, txid=txid, inDoubt=True, witness=json.loads(witness))
                    except OSError:
                        pass  # its own thread notices

    def _serve(self, node):
        while True:
            try:
                instance = self._fact("instance")
                wire = Wire(node, 30, name=self.name, instance=instance, roles=["participant"])
                for message in wire.messages():
                    self._handle(node, wire, message)
            except OSError as error:
                self.wires.pop(node, None)
                print(f"{node}: {error}; trying again", flush=True)
                time.sleep(0.5)

    def _handle(self, node, wire, message):
        kind = message["type"]
        if kind == "welcome":
            self.wires[node], self.me = wire, {**getattr(self, "me", {}), node: message["node"]}
            print(f"connected to {message['node']}", flush=True)
        with self.lock:
            self.store.execute("BEGIN IMMEDIATE")
            answers = []
            if kind in ("prepare", "commit", "rollback"):
                self._adopt(message["epoch"], message["txid"].split(".")[0])
                answers = [self._prepare(message) if kind == "prepare" else self._end(kind, message)]
            elif kind == "decision" and message["decision"] in ("commit", "abort"):
                for row in self._rows("state = 'prepared' AND txid = ?", message["txid"]):
                    self._end("commit" if message["decision"] == "commit" else "rollback", {"txid": row[0], "branch": row[1], "epoch": "~"})
            elif kind == "forget":  # the tombstone of a commit stays: its prepare may still be unread in some buffer (8.5)
                for txid in message["txids"]:
                    self.store.execute("UPDATE verdict_branches SET state = 'forgotten' WHERE txid = ? AND state = 'committed'", (txid,))
            elif kind in ("welcome", "topology"):  # 8.4, and I7: the epoch is durable before the report leaves
                for leader in filter(None, message["leaders"]):
                    self._adopt(leader["epoch"], _base36(leader["shard"]))
                    if leader["node"] == self.me[node]:
                        answers.append(self._report(_base36(leader["shard"])))
            self.store.execute("COMMIT")  # durable before anything is said
        for answer in filter(None, answers):
            wire.send(**answer)

    def _prepare(self, message):
        txid, branch, epoch = message["txid"], message["branch"], message["epoch"]
        state, _ = self._state(txid, branch)
        refusal = None
        if epoch < self._fact("epoch " + txid.split(".")[0]):
            refusal = "This leader was succeeded."
        elif state == "unknown":
            self.store.execute("SAVEPOINT work")
            refusal = self.calls["prepare"](self.store, message["payload"])
            if refusal:
                self.store.execute("ROLLBACK TO work")
            else:
                self._keep(txid, branch, "prepared", json.dumps(message["payload"]), json.dumps(message["witness"]))
        elif state not in ("prepared", "committed"):  # 8.2: a tombstone
            refusal = f"The branch is {state}."
        vote = {"vote": "abort", "reason": {"message": refusal}} if refusal else {"vote": "commit"}
        return {"type": "vote", "txid": txid, "branch": branch, **vote}

    def _end(self, call, message):
        txid, branch = message["txid"], message["branch"]
        if message["epoch"] < txid.split(".")[1]:  # 8.2: a leader cannot judge its successor's transactions
            return None
        state, payload = self._state(txid, branch)
        done, before = ("committed", ("prepared", "committed", "forgotten")) if call == "commit" else ("aborted", ("prepared", "aborted", "unknown"))
        if state == "prepared":
            self.calls[call](self.store, json.loads(payload))
        if state in ("prepared", "unknown") and state in before:
            self._keep(txid, branch, done, None, None)
        answer = {"type": "ack", "txid": txid, "branch": branch, "decision": "commit" if call == "commit" else "abort", "ok": state in before}
        if state not in before:  # 8.6: never acknowledged
            answer["error"] = {"code": "UNKNOWN_BRANCH", "message": f"The branch is {state}."}
        return answer

    def _report(self, shard):
        rows = self._rows("txid LIKE ?", shard + ".%")
        doubts = [{"txid": row[0], "witness": json.loads(row[4])} for row in rows if row[2] == "prepared"]
        return {"type": "report", "id": 1, "inDoubt": doubts, "kept": [row[0] for row in rows if row[2] == "committed"]}

    def _adopt(self, epoch, shard):
        if epoch > self._fact("epoch " + shard):
            self.store.execute("INSERT OR REPLACE INTO verdict_facts VALUES (?, ?)", ("epoch " + shard, epoch))
            # 8.8: a tombstone of an older epoch may go, the epoch itself now refuses its prepare.
            self.store.execute("DELETE FROM verdict_branches WHERE state IN ('aborted', 'forgotten') AND txid LIKE ? AND txid < ?", (shard + ".%", f"{shard}.{epoch}"))

    def _fact(self, name):
        return (self.store.execute("SELECT value FROM verdict_facts WHERE name = ?", (name,)).fetchone() or ("",))[0]

    def _state(self, txid, branch):
        rows = self._rows("txid = ? AND branch = ?", txid, branch)
        return (rows[0][2], rows[0][3]) if rows else ("unknown", None)

    def _keep(self, txid, branch, state, payload, witness):
        self.store.execute("INSERT OR REPLACE INTO verdict_branches VALUES (?, ?, ?, ?, ?, ?)", (txid, branch, state, payload, witness, time.time()))

    def _rows(self, where, *values):
        with self.lock:
            return self.store.execute(f"SELECT * FROM verdict_branches WHERE {where}", values).fetchall()


def _base36(number):
    digits = ""
    while number or not digits:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return digits
