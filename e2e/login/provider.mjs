// A real identity provider: oidc-provider, with its own pages for signing in.

import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const entry = join(process.env.AIRLOCK_NODE_PACKAGES, 'node_modules/oidc-provider/lib/index.js');
const { default: Provider } = await import(pathToFileURL(entry));

export const CLIENT = 'airlock';
export const SECRET = 'a secret & more';

/** Listens on a free port; who is there and with which keys can be changed while it does. */
export class IdentityProvider {
  users = {};
  #server = createServer((request, response) => this.#handle(request, response));
  #handle = (_, response) => response.writeHead(503).end();

  async listen(port = 0) {
    await new Promise((done) => this.#server.listen(port, '127.0.0.1', done));
    this.port = this.#server.address().port;
    this.url = `http://127.0.0.1:${this.port}`;
  }

  /** Takes users for the server at this URL, and signs with a new key. */
  serve(airlock) {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const kid = `key-${Math.random()}`;
    const provider = new Provider(this.url, {
      clients: [{
        client_id: CLIENT,
        client_secret: SECRET,
        redirect_uris: [`${airlock}/oauth2/callback`],
        grant_types: ['authorization_code'],
        response_types: ['code'],
      }],
      jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), kid, use: 'sig', alg: 'RS256' }] },
      cookies: { keys: ['a key for cookies'] },
      claims: { openid: ['sub'], email: ['email', 'email_verified'], groups: ['groups'] },
      scopes: ['openid', 'email', 'groups'],
      findAccount: (_, id) => {
        const user = this.users[id];
        return user && { accountId: id, claims: async () => ({ sub: id, ...user }) };
      },
    });
    this.#handle = provider.callback();
  }

  close() {
    this.#server.closeAllConnections();
    return new Promise((done) => this.#server.close(done));
  }
}
