"""Ask the app one question, as a client would; curl and jq are not on every machine.

usage: ask.py METHOD URL [--form NAME=VALUE | NAME@FILE]... [--bearer]

Prints the status, and below it the body. --bearer reads a token from standard
input, which no process list shows.
"""

import sys
import urllib.error
import urllib.parse
import urllib.request


def main() -> None:
    method, url, *rest = sys.argv[1:]
    headers, form = {}, []
    while rest:
        option = rest.pop(0)
        if option == "--bearer":
            headers["Authorization"] = f"Bearer {sys.stdin.read().strip()}"
        elif option == "--form":
            field = rest.pop(0)
            name, equals, value = field.partition("=")
            if not equals:
                name, _, path = field.partition("@")
                with open(path, encoding="utf-8") as file:
                    value = file.read()
            form.append((name, value))
        else:
            sys.exit(f"ask: what is {option}?")
    data = urllib.parse.urlencode(form).encode() if form else None
    request = urllib.request.Request(url, data=data, headers=headers, method=method)
    # The app is on this machine, whatever proxy the environment names.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        answer = opener.open(request, timeout=10)
    except urllib.error.HTTPError as error:
        answer = error
    except OSError as error:
        sys.exit(f"ask: {method} {url}: {error}")
    with answer:
        print(answer.status)
        print(answer.read().decode())


if __name__ == "__main__":
    main()
