"""What the stand-in writes into a file: a placeholder that is valid where its kind is checked.

Standard library only, and little of it: this is part of a program that has to start quickly.
"""

from __future__ import annotations

import json

_HASH = "#"
_SLASHES = "//"
_DASHES = "--"
_MARKUP = "<!--"
_STARS = "/*"

_COMMENTS = {
    _HASH: "sh bash zsh fish rb pl r jl mk toml tf tfvars hcl cfg conf ini env properties cmake "
    "graphql gitignore gitattributes dockerignore helmignore gitkeep editorconfig yaml yml",
    _SLASHES: "js mjs cjs jsx ts tsx mts cts go rs java kt kts swift c h cc cpp hpp cs scala dart "
    "proto scss less groovy zig jsonnet rego jsonc",
    _DASHES: "sql lua hs elm",
    _MARKUP: "html htm xml svg vue xhtml",
    _STARS: "css",
}
_MARK_OF = {suffix: mark for mark, suffixes in _COMMENTS.items() for suffix in suffixes.split()}
_HASH_NAMES = {"makefile", "dockerfile", "containerfile", "codeowners", "gemfile", "rakefile"}


def placeholder(path: str, task: str, title: str, owner: str) -> str:
    """Make the content of a file; it depends on nothing but these words."""
    lines = [
        "Rehearsal placeholder: a stand-in wrote this, not an agent.",
        f"task: {_plain(task)}",
        f"title: {_plain(title)}",
        f"owner: {_plain(owner)}",
        f"file: {_plain(path)}",
    ]
    facts = {"rehearsal": True, "task": task, "title": title, "owner": owner, "file": path}
    name = path.rpartition("/")[2].lower()
    suffix = name.rpartition(".")[2] if "." in name else ""
    if suffix in ("json", "webmanifest"):
        return json.dumps(facts, indent=2) + "\n"
    if suffix in ("jsonl", "ndjson"):
        return json.dumps(facts) + "\n"
    if suffix == "ipynb":
        body = {"cells": [], "metadata": facts, "nbformat": 4, "nbformat_minor": 5}
        return json.dumps(body, indent=1) + "\n"
    if suffix in ("py", "pyi"):
        return '"""' + "\n\n".join((lines[0], "\n".join(lines[1:]))) + '\n"""\n'
    if suffix in ("md", "mdx", "markdown"):
        return f"# {_plain(title)}\n\n{lines[0]}\n\n" + "".join(f"- {line}\n" for line in lines[1:])
    mark = _HASH if _is_hash_name(name) else _MARK_OF.get(suffix)
    if mark is None:
        return "\n".join(lines) + "\n"
    return _head(suffix) + _comment(lines, mark) + _rest(name, suffix, facts)


def _plain(text: str) -> str:
    """Make words that end no comment or string of any language, on one line."""
    line = "".join(char if char.isprintable() else " " for char in text)
    for char in '\\"<>*':
        line = line.replace(char, " ")
    while "--" in line:
        line = line.replace("--", "-")
    return " ".join(line.split())


def _is_hash_name(name: str) -> bool:
    stem = name.partition(".")[0]
    return stem in _HASH_NAMES or name.startswith(".env") or name == "requirements.txt"


def _comment(lines: list[str], mark: str) -> str:
    if mark == _MARKUP:
        return "<!--\n" + "\n".join(lines) + "\n-->\n"
    if mark == _STARS:
        return "/*\n" + "\n".join(lines) + "\n*/\n"
    return "".join(f"{mark} {line}\n" for line in lines)


def _head(suffix: str) -> str:
    return "#!/bin/sh\n" if suffix in ("sh", "bash") else ""


def _rest(name: str, suffix: str, facts: dict[str, object]) -> str:
    """Add what a file of the kind must have beside comments to be one."""
    stem = name.partition(".")[0]
    if stem in ("dockerfile", "containerfile"):
        return "FROM scratch\n"
    if suffix in ("yaml", "yml"):
        # Strings of JSON in ASCII are strings of YAML.
        return "".join(f"{key}: {json.dumps(_in_yaml(value))}\n" for key, value in facts.items())
    return {
        "go": "package placeholder\n",
        "html": "<!doctype html>\n<title>Rehearsal placeholder</title>\n",
        "htm": "<!doctype html>\n<title>Rehearsal placeholder</title>\n",
        "xml": "<placeholder/>\n",
        "xhtml": "<placeholder/>\n",
        "svg": '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>\n',
        "vue": "<template><div/></template>\n",
    }.get(suffix, "")


def _in_yaml(value: object) -> object:
    return _plain(value) if isinstance(value, str) else value
