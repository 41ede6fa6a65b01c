<?php
// Makes and checks stored passwords with PHP's own functions, as passwords.py does with Python's libraries:
// JSON lines in, a JSON line out for each.
//
//   {"make": FORMAT, "password": ...}               -> {"ok": true, "hash": ...}
//   {"check": FORMAT, "hash": ..., "password": ...} -> {"ok": true, "right": ...}
//
// password_verify reads what crypt(3) reads, SHA-crypt too. Secrets come by standard input only.

const CHEAP = ['memory_cost' => 256, 'time_cost' => 2, 'threads' => 1];

function salt(): string
{
    return substr(strtr(base64_encode(random_bytes(12)), '+', '.'), 0, 16);
}

function make(string $format, string $password): string
{
    return match ($format) {
        'php bcrypt' => password_hash($password, PASSWORD_BCRYPT, ['cost' => 4]),
        'php argon2id' => password_hash($password, PASSWORD_ARGON2ID, CHEAP),
        'php argon2i' => password_hash($password, PASSWORD_ARGON2I, CHEAP),
        'php sha256' => crypt($password, '$5$rounds=1000$' . salt() . '$'),
        'php sha512' => crypt($password, '$6$' . salt() . '$'),
    };
}

while (($line = fgets(STDIN)) !== false) {
    try {
        $request = json_decode($line, true, flags: JSON_THROW_ON_ERROR);
        $answer = isset($request['make'])
            ? ['ok' => true, 'hash' => make($request['make'], $request['password'])]
            : ['ok' => true, 'right' => password_verify($request['password'], $request['hash'])];
    } catch (Throwable $error) {
        $answer = ['ok' => false, 'error' => get_class($error)];
    }
    echo json_encode($answer), "\n";
}
