// Chromium, and pages that tell what goes wrong on them.

import { chromium } from './packages.mjs';

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export const SIZES = { wide: { width: 1440, height: 900 }, small: { width: 390, height: 844 } };

export class Browser {
  constructor(browser, url) {
    this.browser = browser;
    this.url = url;
  }

  /** Starts it with a new and empty profile, and runs `use`. */
  static async with(url, use) {
    const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: FLAGS });
    try {
      return await use(new Browser(browser, url));
    } finally {
      await browser.close();
    }
  }

  /** Runs `use` with a page of a new visitor; fails as well when the page reports an error. */
  async visit(options, use) {
    const context = await this.browser.newContext({ baseURL: this.url, viewport: SIZES.wide, ...options });
    context.setDefaultTimeout(10_000);
    await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: this.url });
    try {
      const page = await context.newPage();
      const faults = watch(page);
      await use(page);
      if (faults.length) throw new Error(faults.join('; '));
    } finally {
      await context.close();
    }
  }
}

function watch(page) {
  const faults = [];
  page.on('pageerror', (error) => faults.push(`the script failed: ${error.message}`));
  page.on('requestfailed', (request) => {
    // What a page had not finished when it was left is no fault.
    if (request.failure().errorText !== 'net::ERR_ABORTED') faults.push(`${request.url()} failed`);
  });
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) faults.push(`the console says: ${message.text()}`);
  });
  return faults;
}

/** Opens a page of the documentation, which must be there. */
export async function open(page, path) {
  const answer = await page.goto(path);
  if (answer.status() !== 200) throw new Error(`${path} answered ${answer.status()}`);
}
