// The sequence of `astro login localhost` at a real identity provider, and what may go wrong there.

import { createHash, randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

import { withAirlock } from '../browser/airlock.mjs';
import { equal, holds } from '../browser/expect.mjs';
import { Report } from '../browser/report.mjs';
import { Browser } from './browser.mjs';
import { CLIENT, IdentityProvider, SECRET } from './provider.mjs';

const CALLBACK = 'http://localhost:12345/callback';

/** The CLI's side of a login at a server. */
class Cli {
  constructor(airlock) {
    this.airlock = airlock;
    this.verifier = randomBytes(32).toString('base64url');
  }

  async link() {
    const response = await fetch(`${this.airlock}/private/v1alpha1/cli/auth-config`, {
      headers: { 'x-astro-client-identifier': 'cli' },
    });
    this.config = await response.json();
    holds('domainUrl ends with a slash', this.config.domainUrl.endsWith('/'));
    const query = new URLSearchParams({
      prompt: 'login',
      audience: this.config.audience,
      client_id: this.config.clientId,
      redirect_uri: CALLBACK,
      scope: 'openid profile email offline_access',
      response_type: 'code',
      response_mode: 'query',
      code_challenge: createHash('sha256').update(this.verifier).digest('base64url'),
      code_challenge_method: 'S256',
    });
    return `${this.config.domainUrl}authorize?${query}`;
  }

  async token(form) {
    const body = new URLSearchParams({ client_id: this.config.clientId, ...form });
    const response = await fetch(`${this.config.domainUrl}oauth/token`, { method: 'POST', body });
    return { status: response.status, ...(await response.json()) };
  }

  redeem(back) {
    const code = new URL(back).searchParams.get('code');
    return this.token({ grant_type: 'authorization_code', code, code_verifier: this.verifier, redirect_uri: CALLBACK });
  }

  /** A whole login: the session and the refresh token. */
  async login(user) {
    const back = await new Browser().follow(await this.link(), user, CALLBACK);
    return this.redeem(back);
  }
}

async function call(airlock, token, path, method = 'GET', body = undefined) {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const response = await fetch(`${airlock}${path}`, { method, headers, body: body && JSON.stringify(body) });
  const text = await response.text();
  return { status: response.status, json: text ? JSON.parse(text) : null };
}

const report = new Report();
const idp = new IdentityProvider();
await idp.listen();
const flags = ['--oidc-issuer', idp.url, '--oidc-client-id', CLIENT, '--oidc-scopes', 'openid email groups', '--oidc-groups-claim', 'groups'];

await withAirlock(async (airlock, said) => {
  const owner = /API token +(\S+)/.exec(said)[1];
  const organization = `/v1/organizations/${/Organization +(\S+)/.exec(said)[1]}`;
  idp.serve(airlock);
  idp.users = {
    ada: { email: 'ada@example.org', email_verified: true, groups: ['ops', 'data'] },
    eve: { email: 'eve@example.org', email_verified: true },
    bob: { email: 'ada@example.org', email_verified: false },
  };
  const invite = { inviteeEmail: 'ada@example.org', role: 'ORGANIZATION_MEMBER' };
  equal('the invite', (await call(airlock, owner, `${organization}/invites`, 'POST', invite)).status, 200);
  const teams = async (session) => {
    const { json } = await call(airlock, session, '/v1/users/self');
    const found = await call(airlock, owner, `${organization}/users/${json.id}/teams?sorts=name:asc`);
    return found.json.teams.map((team) => [team.name, team.isIdpManaged]);
  };
  let tokens;

  await report.check('the CLI signs in', async () => {
    const cli = new Cli(airlock);
    tokens = await cli.login('ada');
    equal('the status', tokens.status, 200);
    const info = await call(airlock, tokens.access_token, '/oauth2/userinfo');
    equal('the address', info.json.email, 'ada@example.org');
    const own = await call(airlock, tokens.access_token, '/v1/users/self?createIfNotExist=true');
    equal('the user', [own.status, own.json.username, own.json.status], [200, 'ada@example.org', 'ACTIVE']);
    const list = await call(airlock, tokens.access_token, '/v1/organizations?limit=100');
    equal('the Organizations', list.json.organizations.length, 1);
  });

  await report.check('it renews its session, and the refresh token stays', async () => {
    const cli = new Cli(airlock);
    await cli.link();
    const next = await cli.token({ grant_type: 'refresh_token', refresh_token: tokens.refresh_token });
    equal('the refresh token', [next.status, next.refresh_token], [200, tokens.refresh_token]);
    equal('the session', (await call(airlock, next.access_token, '/v1/users/self')).status, 200);
  });

  await report.check('groups are teams, which the next login changes', async () => {
    equal('the teams', await teams(tokens.access_token), [['data', true], ['ops', true]]);
    idp.users.ada.groups = ['data'];
    const next = await new Cli(airlock).login('ada');
    equal('the teams', await teams(next.access_token), [['data', true]]);
  });

  await report.check('who is not known, or not verified, is refused', async () => {
    for (const [user, why] of [['eve', 'nobody with the address'], ['bob', 'is verified']]) {
      const browser = new Browser();
      const back = await browser.follow(await new Cli(airlock).link(), user, `${airlock}/oauth2/callback`);
      const page = await browser.request(back);
      equal('the status', [page.status, page.headers.get('location')], [403, null]);
      holds(`the page says why ${user} is refused`, (await page.text()).includes(why));
    }
  });

  await report.check('the provider changes its keys', async () => {
    idp.serve(airlock);
    await sleep(5_100); // they are asked for again at most every 5 s
    equal('the status', (await new Cli(airlock).login('ada')).status, 200);
  });

  await report.check('logging out ends the session and the refresh token at once', async () => {
    const cli = new Cli(airlock);
    const mine = await cli.login('ada');
    const body = new URLSearchParams({ token: mine.refresh_token });
    equal('the status', (await fetch(`${airlock}/oauth2/revoke`, { method: 'POST', body })).status, 200);
    equal('the session', (await call(airlock, mine.access_token, '/v1/users/self')).status, 401);
    const again = await cli.token({ grant_type: 'refresh_token', refresh_token: mine.refresh_token });
    equal('the refresh token', [again.status, again.error], [400, 'invalid_grant']);
  });

  await report.check('a provider that is down is a page that says so, and then it is up again', async () => {
    const browser = new Browser();
    const cli = new Cli(airlock);
    const back = await browser.follow(await cli.link(), 'ada', `${airlock}/oauth2/callback`);
    await idp.close();
    const page = await browser.request(back);
    equal('the status', page.status, 503);
    holds('the page says so', (await page.text()).includes('Airlock cannot do this now'));
    equal('sessions go on', (await call(airlock, tokens.access_token, '/v1/users/self')).status, 200);
  });

  await report.check('no secret of the provider is in the audit log', async () => {
    const log = await fetch(`${airlock}${organization}/audit-logs`, { headers: { authorization: `Bearer ${owner}` } });
    const bytes = Buffer.from(await log.arrayBuffer());
    const { gunzipSync } = await import('node:zlib');
    const text = bytes[0] === 0x1f ? gunzipSync(bytes).toString() : bytes.toString();
    holds('it has the logins', text.includes('"SignIn"'));
    holds('it has no secret', !text.includes(SECRET) && !text.includes(tokens.refresh_token));
  });
}, flags, { AIRLOCK_OIDC_CLIENT_SECRET: SECRET });

await report.check('a server that cannot find the provider says so', async () => {
  await withAirlock(async (airlock) => {
    const page = await fetch(await new Cli(airlock).link(), { redirect: 'manual' });
    equal('the status', page.status, 503);
  }, flags, { AIRLOCK_OIDC_CLIENT_SECRET: SECRET });
});

process.exit(report.end() ? 0 : 1);
