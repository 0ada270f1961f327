#!/usr/bin/env python3
"""Computes the ids in wire.json again, with nothing but SHA-256 and the rules of docs/spec.

An id is SHA-256(len(tag) || tag || bytes); what is signed is SHA-256(len(tag) || tag || chain || bytes).
"""
import hashlib
import json
import pathlib
import sys

CHAIN = bytes([0xC4]) * 32
SIGNED = {"althing/tx-sign/v1", "althing/vote/v1", "althing/batch-sign/v1"}


def tagged(tag, *parts):
    raw = tag.encode()
    return hashlib.sha256(bytes([len(raw)]) + raw + b"".join(parts)).digest()


def body_of(transaction):
    """The body of a version 1 transaction: everything between the version byte and the signatures.

    Its end is found by its own layout, so that this file does not depend on the length of any other field."""
    at = 1

    def take(count):
        nonlocal at
        part = transaction[at : at + count]
        at += count
        return part

    def number(count):
        return int.from_bytes(take(count), "little")

    def policy():
        kind = number(1)
        if kind == 0:
            take(33)
        elif kind == 1:
            take(2)
            for _ in range(number(4)):
                take(33 + 2)
        else:
            take(32)

    def action():
        kind = number(1)
        if kind == 0:
            for _ in range(number(4)):
                action()
        elif kind == 4:
            take(32 + 32 + 16)
        elif kind == 5:
            policy()
        else:
            raise ValueError("a reserved action")

    take(32 + 32)  # chain, sender
    take(16 if number(1) == 0 else 12)  # replay: valid_until and salt, or lane and seq
    take(8)  # gas limit
    if number(1):
        take(32 + 16)  # sponsor
    action()
    for width in (0, 1, 0):  # trees, memo, ext
        take(number(4) * width)
    return transaction[1:at]


def main():
    entries = json.loads(pathlib.Path(__file__).with_name("wire.json").read_text())
    count = 0
    for entry in entries:
        raw = bytes.fromhex(entry["bytes"][2:])
        for tag, expected in entry["ids"].items():
            of = body_of(raw) if tag in ("althing/tx-id/v1", "althing/tx-sign/v1") else raw
            if tag == "plain SHA-256":
                actual = hashlib.sha256(of).digest()
            elif tag in SIGNED:
                actual = tagged(tag, CHAIN, of)
            else:
                actual = tagged(tag, of)
            if "0x" + actual.hex() != expected:
                sys.exit(f"{entry['name']}: {tag}: expected {expected}, computed 0x{actual.hex()}")
            count += 1
    if count < 20:
        sys.exit(f"only {count} ids in the vectors")
    print(f"{count} ids agree")


main()
