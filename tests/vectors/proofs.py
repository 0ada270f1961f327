#!/usr/bin/env python3
"""Checks the proofs in proofs.json by docs/spec/proofs.md, with nothing but SHA-256.

It shares no code with the node. Each vector says whether it is a proof; this program must come to the same verdict.
"""
import hashlib
import json
import pathlib
import sys

EMPTY = b"SPARSE_MERKLE_PLACEHOLDER_HASH__"


class Refused(Exception):
    """The proof does not show what it should."""


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def leaf_hash(leaf):
    return sha256(b"JMT::LeafNode", *leaf)


def node_hash(left, right):
    return sha256(b"JMT::IntrnalNode", left, right)


def bit(key, level):
    return key[level // 8] >> (7 - level % 8) & 1


def shared(one, other):
    level = 0
    while level < 256 and bit(one, level) == bit(other, level):
        level += 1
    return level


class Bytes:
    """What is left of a proof."""

    def __init__(self, raw):
        self.raw, self.at = raw, 0

    def take(self, count):
        part = self.raw[self.at : self.at + count]
        if len(part) < count:
            raise Refused("the bytes end early")
        self.at += count
        return part

    def number(self, count):
        return int.from_bytes(self.take(count), "little")

    def option(self, read):
        tag = self.number(1)
        if tag > 1:
            raise Refused("an unknown tag")
        return read() if tag else None

    def hash(self):
        return self.take(32)

    def leaf(self):
        return (self.hash(), self.hash())

    def end(self):
        if self.at != len(self.raw):
            raise Refused("the bytes go on")


def require(condition, why):
    if not condition:
        raise Refused(why)


def check_state(raw, root, key, value):
    """Section 4."""
    proof = Bytes(raw)
    leaf = proof.option(proof.leaf)
    siblings = [proof.option(proof.hash) for _ in range(proof.number(4))]
    proof.end()
    require(len(siblings) <= 256 and EMPTY not in siblings, "not in form")
    require(not siblings or siblings[0] is not None, "a level below a lone leaf")
    if value is not None:
        require(leaf == (key, sha256(value)), "another leaf")
    elif leaf is not None:
        require(leaf[0] != key and shared(leaf[0], key) >= len(siblings), "another leaf")
    result = leaf_hash(leaf) if leaf else EMPTY
    for height, sibling in enumerate(siblings):
        sibling = sibling or EMPTY
        level = len(siblings) - 1 - height
        result = node_hash(sibling, result) if bit(key, level) else node_hash(result, sibling)
    require(result == root, "another root")


class Message:
    """The fields of a protobuf message, each a number or bytes."""

    def __init__(self, raw):
        self.fields, rest = {}, Bytes(raw)
        while rest.at < len(raw):
            tag = self.varint(rest)
            require(tag & 7 in (0, 2), "an unknown wire type")
            value = self.varint(rest) if tag & 7 == 0 else rest.take(self.varint(rest))
            self.fields.setdefault(tag >> 3, []).append(value)

    @staticmethod
    def varint(rest):
        value = 0
        for shift in range(0, 70, 7):
            byte = rest.number(1)
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise Refused("a number that goes on")

    def all(self, field):
        return self.fields.get(field, [])

    def only(self, field, default):
        values = self.all(field)
        require(len(values) <= 1, "a field is there twice")
        value = values[0] if values else default
        require(isinstance(value, type(default)), "a field of another kind")
        return value


def check_ics23(raw, spec, root, key, value):
    """Section 5: what a verifier of ICS-23 does with any specification that names SHA-256 only."""
    spec = Message(spec)
    leaf_spec, inner_spec = Message(spec.only(1, b"")), Message(spec.only(2, b""))
    require([leaf_spec.only(field, 0) for field in (1, 2, 3, 4)] == [1, 1, 1, 0], "a specification of another kind")
    require(inner_spec.only(1, b"") == b"\x00\x01" and inner_spec.only(6, 0) == 1, "a specification of another kind")
    child_size, least, most = (inner_spec.only(field, 0) for field in (2, 3, 4))
    proof = Message(Message(raw).only(1, b""))
    require(proof.only(1, b"") == key != b"" and proof.only(2, b"") == value != b"", "another key or value")
    leaf = Message(proof.only(3, b""))
    require([leaf.only(field, 0) for field in (1, 2, 3, 4)] == [1, 1, 1, 0], "another leaf operation")
    require(leaf.only(5, b"").startswith(leaf_spec.only(5, b"")), "no leaf")
    require(len(proof.all(4)) <= spec.only(3, 0), "a path that is too long")
    result = sha256(leaf.only(5, b""), sha256(key), sha256(value))
    for step in proof.all(4):
        require(isinstance(step, bytes), "a field of another kind")
        step = Message(step)
        before, after = step.only(2, b""), step.only(3, b"")
        require(step.only(1, 0) == 1 and not before.startswith(leaf_spec.only(5, b"")), "a leaf on the path")
        require(least <= len(before) <= most + child_size and len(after) % child_size == 0, "another inner operation")
        result = sha256(before, result, after)
    require(result == root, "another root")


def joined(left, right):
    """A subtree of two halves. Subtrees are None, a leaf (two hashes), or a hash."""
    if left is None and right is None:
        return None
    if left is None and isinstance(right, tuple):
        return right
    if right is None and isinstance(left, tuple):
        return left
    return node_hash(hash_of(left), hash_of(right))


def hash_of(subtree):
    if subtree is None:
        return EMPTY
    return leaf_hash(subtree) if isinstance(subtree, tuple) else subtree


def holding(leaves, level):
    if len(leaves) < 2:
        return leaves[0] if leaves else None
    return joined(*[holding([leaf for leaf in leaves if bit(leaf[0], level) == side], level + 1) for side in (0, 1)])


def check_range(raw, root, low, high, leaves):
    """Section 6."""
    proof = Bytes(raw)
    count = proof.number(4)
    require(count <= 1024, "too many parts")
    parts = []
    for _ in range(count):
        tag = proof.number(1)
        require(tag <= 4, "an unknown tag")
        parts.append((tag, proof.leaf() if tag == 1 else proof.hash() if tag == 2 else None))
    proof.end()
    keys = [leaf[0] for leaf in leaves]
    require(low <= high and keys == sorted(set(keys)) and all(low <= key <= high for key in keys), "not a range")

    def part():
        require(parts, "a part is missing")
        return parts.pop(0)

    def on_bound(level, on_low, on_high, here):
        tag, body = part()
        if tag == 0:
            require(not here, "leaves in an empty subtree")
            return None
        if tag == 1:
            path = low if on_low else high
            require(not here and not low <= body[0] <= high, "another leaf")
            require(shared(body[0], path) >= level, "a leaf that stands elsewhere")
            return body
        if tag == 4:
            require(len(here) == 1, "one leaf is due")
            return here[0]
        require(tag == 3 and level < 256, "not in form")
        halves = []
        for side in (0, 1):
            mine = [leaf for leaf in here if bit(leaf[0], level) == side]
            below = on_low and side == 0 and bit(low, level) == 1
            above = on_high and side == 1 and bit(high, level) == 0
            next_low, next_high = on_low and side == bit(low, level), on_high and side == bit(high, level)
            if below or above:
                tag, body = part()
                require(tag <= 2, "not in form")
                if tag == 1:
                    path = low if on_low else high
                    require(bit(body[0], level) == side and shared(body[0], path) >= level, "a leaf elsewhere")
                require(tag != 2 or body != EMPTY, "not in form")
                halves.append(body)
            elif next_low or next_high:
                halves.append(on_bound(level + 1, next_low, next_high, mine))
            else:
                halves.append(holding(mine, level + 1))
        whole = joined(*halves)
        require(isinstance(whole, bytes), "a subtree that goes on without need")
        return whole

    result = hash_of(on_bound(0, True, True, leaves))
    require(not parts, "parts are left")
    require(result == root, "another root")


def main():
    document = json.loads(pathlib.Path(__file__).with_name("proofs.json").read_text())
    unhex = lambda text: bytes.fromhex(text[2:])
    held = sorted((unhex(leaf["key"]), sha256(unhex(leaf["value"]))) for leaf in document["leaves"])
    root, spec = unhex(document["root"]), unhex(document["ics23Spec"])
    if hash_of(holding(held, 0)) != root:
        sys.exit("the root is another")
    verdicts = {True: 0, False: 0}
    for number, vector in enumerate(document["proofs"]):
        raw = unhex(vector["bytes"])
        try:
            if vector["kind"] == "state":
                value = vector["value"]
                check_state(raw, root, unhex(vector["key"]), None if value is None else unhex(value))
            elif vector["kind"] == "ics23":
                check_ics23(raw, spec, root, unhex(vector["key"]), unhex(vector["value"]))
            else:
                leaves = [(unhex(leaf["key"]), unhex(leaf["value"])) for leaf in vector["leaves"]]
                check_range(raw, root, unhex(vector["from"]), unhex(vector["to"]), leaves)
            good = True
        except Refused:
            good = False
        if good != vector["good"]:
            sys.exit(f"vector {number}: expected {vector['good']}, came to {good}")
        verdicts[good] += 1
    if min(verdicts.values()) < 20:
        sys.exit(f"too few vectors: {verdicts}")
    print(f"{verdicts[True]} proofs hold and {verdicts[False]} do not, as expected")


main()
