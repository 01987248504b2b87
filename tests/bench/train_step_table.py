#!/usr/bin/env python3
"""Prints the table of train_step.sh from the records it gathered: train_step_table.py THREADS FOLDER MODEL..."""
import json, statistics, sys

threads, folder = sys.argv[1], sys.argv[2]


def records(path):
    try:
        text = open(path).read()
    except FileNotFoundError:
        return
    decoder, at = json.JSONDecoder(), 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        value, at = decoder.raw_decode(text, at)
        yield value


print(f"{'model':14} {'stack':34} {'ms/step':>9} {'ratio':>6} {'first step s':>13} {'peak MB':>8}   ({threads} threads)")
for model in sys.argv[3:]:
    mine = list(records(f"{folder}/{model}.ours"))
    if not mine:
        continue
    base = statistics.median(r["step_ms"] for r in mine)
    first = statistics.median(r["first_step_s"] for r in mine)
    peak = statistics.median(r["peak_bytes"] for r in mine) / 2**20
    print(f"{model:14} {'seqlab':34} {base:9.3f} {'':6} {first:13.3f} {peak:8.0f}")
    groups = {}
    for r in records(f"{folder}/{model}.torch"):
        groups.setdefault(f"torch {r['torch']} {r['variant']}", []).append(r)
    for name, rows in groups.items():
        ms = statistics.median(r["ms"] for r in rows)
        first = statistics.median(r["first_step_s"] for r in rows)
        peak = statistics.median(r["peak_mb"] for r in rows)
        print(f"{model:14} {name:34} {ms:9.3f} {ms / base:6.2f} {first:13.3f} {peak:8.0f}")
