"""Moves money between two participants: python3 client.py NODE[,NODE...] REQUEST_ID FROM TO CENTS

FROM and TO are PARTICIPANT/ACCOUNT. Run it again with the same REQUEST_ID: it happens once.
"""

import sys
from verdict import transact

nodes, request_id, payer, payee, cents = sys.argv[1:]


def branch(name, cents):
    participant, account = name.split("/")
    return {"participant": participant, "payload": {"account": account, "cents": cents}}


outcome = transact(nodes.split(","), request_id, [branch(payer, -int(cents)), branch(payee, int(cents))])
if outcome["outcome"] == "committed":
    print(f"committed as {outcome['txid']}")
else:
    print(f"aborted: {outcome['reason']['message']}")
    sys.exit(1)
