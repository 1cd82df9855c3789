"""`python -m tests.fuzz [TARGET ...] [--seconds N] [--seed N]`: fuzz for as long as you like.

`python -m tests.fuzz TARGET --input HEX` repeats one input.
"""

import argparse
import sys
import time

from tests.fuzz.engine import once, run
from tests.fuzz.targets import TARGETS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzz the parsers of tlscore.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"all by default: {', '.join(TARGETS)}")
    parser.add_argument("--seconds", type=float, default=10.0, help="for each target (default: 10)")
    parser.add_argument("--seed", type=int, default=None, help="repeat a run")
    parser.add_argument("--input", metavar="HEX", help="repeat one input")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.targets if name not in TARGETS]
    if unknown:
        parser.error(f"no target {unknown[0]}; there are {', '.join(TARGETS)}")
    chosen = [TARGETS[name] for name in arguments.targets] or list(TARGETS.values())
    seed = arguments.seed if arguments.seed is not None else time.time_ns() // 1000
    for target in chosen:
        try:
            if arguments.input is not None:
                once(target, bytes.fromhex(arguments.input))
                print(f"{target.name}: nothing wrong with this input")
                continue
            print(f"{target.name}: seed {seed}, {arguments.seconds:g} s", flush=True)
            done = run(target, seed, seconds=arguments.seconds)
        except AssertionError as found:
            print(found)
            return 1
        print(f"{target.name}: {done} executions, nothing found", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
