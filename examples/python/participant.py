"""Accounts as a participant: python3 participant.py NAME FILE.sqlite NODE[,NODE...]

A prepared branch holds its money: what is taken leaves the balance in `prepare`, what is given arrives in `commit`.
Each function runs in the SQLite transaction that also keeps the vote or the outcome.
"""

import sys
from verdict import Participant

name, path, nodes = sys.argv[1:]


def add(store, account, cents):
    store.execute("INSERT INTO accounts VALUES (?, ?) ON CONFLICT DO UPDATE SET cents = cents + excluded.cents", (account, cents))


def prepare(store, payload):
    """Returns why not, or None: then both commit and rollback must be possible, whatever happens."""
    account, cents = payload["account"], payload["cents"]
    (balance,) = store.execute("SELECT coalesce(sum(cents), 0) FROM accounts WHERE account = ?", (account,)).fetchone()
    if balance + cents < 0:
        return f"{account} has {balance} cents and is to pay {-cents}."
    add(store, account, min(cents, 0))


def commit(store, payload):
    add(store, payload["account"], max(payload["cents"], 0))


def rollback(store, payload):
    add(store, payload["account"], -min(payload["cents"], 0))


participant = Participant(name, path, prepare, commit, rollback)
participant.store.execute("CREATE TABLE IF NOT EXISTS accounts (account TEXT PRIMARY KEY, cents INTEGER NOT NULL)")
participant.serve(nodes.split(","))
