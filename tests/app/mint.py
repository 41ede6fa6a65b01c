"""Print a token as the app's own library makes it.

usage: python mint.py --secret-env JWT_SECRET --sub 4711
           [--hours 24] [--alg HS256] [--claims JSON]

The secret comes from an environment variable only: arguments can be seen by
every process on the machine. --claims adds claims or overrides them; null
removes one, e.g. --claims '{"exp": null}'. Negative --hours give an expired
token.
"""

import argparse
import json
import os
import sys
import warnings
from datetime import UTC, datetime, timedelta

import jwt


def main() -> None:
    parser = argparse.ArgumentParser(description="Mint a JWT with PyJWT.")
    parser.add_argument("--secret-env", required=True, metavar="NAME")
    parser.add_argument("--sub", required=True)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument(
        "--alg", default="HS256", choices=["HS256", "HS384", "HS512", "none"]
    )
    parser.add_argument("--claims", type=json.loads, default={}, metavar="JSON")
    args = parser.parse_args()

    secret = os.environ.get(args.secret_env, "")
    if not secret:
        sys.exit(f"mint: {args.secret_env} is not set")
    if not isinstance(args.claims, dict):
        sys.exit("mint: --claims must be a JSON object")

    now = datetime.now(UTC)
    claims = {
        "sub": args.sub,
        "iat": int(now.timestamp()),
        "exp": int((now + timedelta(hours=args.hours)).timestamp()),
    }
    claims |= args.claims
    claims = {name: value for name, value in claims.items() if value is not None}
    # An unsigned token takes no key; it is here so tests can see it refused.
    key = None if args.alg == "none" else secret
    # A key too short for its algorithm is the test's business.
    warnings.simplefilter("ignore", jwt.InsecureKeyLengthWarning)
    print(jwt.encode(claims, key, algorithm=args.alg))


if __name__ == "__main__":
    main()
