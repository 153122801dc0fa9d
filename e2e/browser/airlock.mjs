// A real server on a free port, with an empty data folder.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Starts it with more flags, runs `use` with its URL and what it said, and ends it. */
export async function withAirlock(use, flags = [], env = {}) {
  const home = mkdtempSync(join(tmpdir(), 'airlock-e2e-'));
  const argv = ['serve', '--listen', '127.0.0.1:0', '--data-dir', join(home, 'data'), ...flags];
  const server = spawn(process.env.AIRLOCK_BINARY, argv, { cwd: home, env: { PATH: process.env.PATH, HOME: home, ...env } });
  const ended = new Promise((done) => server.once('close', done));
  try {
    const { url, said } = await address(server);
    return await use(url, said);
  } finally {
    server.kill();
    await ended;
    rmSync(home, { recursive: true });
  }
}

/** At its first start the server prints a call to paste, when it listens. */
function address(server) {
  return new Promise((done, fail) => {
    let said = '';
    const listen = (text) => {
      said += text;
      const url = /curl .*'(http:\/\/[^/]+)\//.exec(said)?.[1];
      if (url) done({ url, said });
    };
    server.stdout.on('data', listen);
    server.stderr.on('data', listen);
    server.once('error', fail);
    server.once('close', () => fail(new Error(`airlock serve ended:\n${said}`)));
    setTimeout(() => fail(new Error(`airlock serve did not say where it listens in 60 s:\n${said}`)), 60_000).unref();
  });
}
