// What a browser does when somebody signs in: it keeps cookies, follows redirects and sends forms.

export class Browser {
  #cookies = new Map();

  /** One request; redirects are not followed. */
  async request(url, form) {
    const { origin } = new URL(url);
    const cookies = this.#cookies.get(origin) ?? new Map();
    this.#cookies.set(origin, cookies);
    const response = await fetch(url, {
      method: form ? 'POST' : 'GET',
      body: form && new URLSearchParams(form),
      redirect: 'manual',
      headers: { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; '), accept: 'text/html' },
    });
    for (const set of response.headers.getSetCookie()) {
      const [name, value] = set.split(';')[0].split(/=(.*)/s);
      if (value) cookies.set(name, value);
      else cookies.delete(name);
    }
    return response;
  }

  /** Goes on from a URL as a user, until the browser is sent to one that begins as this. */
  async follow(url, user, end) {
    for (let step = 0; step < 20; step += 1) {
      if (url.startsWith(end)) return url;
      let response = await this.request(url);
      if (response.status === 200) {
        // A page of the provider: for signing in, or for agreeing.
        const page = await response.text();
        const prompt = /name="prompt" value="(\w+)"/.exec(page)?.[1];
        if (!prompt) throw new Error(`an unexpected page at ${url}: ${page.slice(0, 300)}`);
        const action = /<form[^>]* action="([^"]+)"/.exec(page)[1];
        response = await this.request(new URL(action, url).href, { prompt, login: user, password: 'any' });
      }
      const location = response.headers.get('location');
      if (!location) throw new Error(`${response.status} at ${url}: ${(await response.text()).slice(0, 300)}`);
      url = new URL(location, url).href;
    }
    throw new Error('the browser is sent around in circles');
  }
}
