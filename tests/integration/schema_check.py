"""Holds experiment files against the JSON Schema that `seqlab help --format=schema` writes.

schema_check.py SCHEMA FILE...: prints a line a file, "FILE ok" or "FILE PATH: MESSAGE"; 3 when jsonschema or yaml is
missing. YAML is read as its version 1.2 does, which is what editors do: 1e-3 is a number, yes and no are words.
"""

import json
import re
import sys

try:
    import jsonschema
    import yaml
except ImportError as missing:
    print(f"{missing}")
    sys.exit(3)


class Loader(yaml.SafeLoader):
    """The core schema of YAML 1.2."""


Loader.yaml_implicit_resolvers = {}
for tag, pattern, first in [
    ("bool", r"true|false", "tf"),
    ("null", r"null|~|", ["n", "~", ""]),
    ("int", r"[-+]?[0-9]+", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
]:
    Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"^(?:{pattern})$"), list(first))
Loader.add_constructor("tag:yaml.org,2002:float", lambda loader, node: float(node.value))
Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(node.value))

with open(sys.argv[1], encoding="utf-8") as file:
    schema = json.load(file)
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)
for path in sys.argv[2:]:
    with open(path, encoding="utf-8") as file:
        tree = yaml.load(file, Loader)
    error = jsonschema.exceptions.best_match(validator.iter_errors(tree))
    if error is None:
        print(path, "ok")
    else:
        print(path, ".".join(str(part) for part in error.absolute_path) + ":", error.message[:200])
