// How pages look, at two sizes and in two themes: nothing is wider than the screen, and axe finds
// nothing that keeps people from reading.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { open, SIZES } from './browser.mjs';
import { equal } from './expect.mjs';
import { axe } from './packages.mjs';

const PAGES = {
  overview: '/docs/',
  guide: '/docs/agents',
  reference: '/docs/api',
  operation: '/docs/api/agent-token/create-agent-token',
  tag: '/docs/api/deployment',
};

// The narrowest screen that pages must fit, WCAG 1.4.10.
const NARROW = { width: 320, height: 640 };

export async function looks(report, browser) {
  mkdirSync(process.env.AIRLOCK_SCREENSHOTS, { recursive: true });
  for (const [size, viewport] of Object.entries(SIZES)) {
    for (const colorScheme of ['light', 'dark']) {
      const options = { viewport, colorScheme, reducedMotion: 'reduce' };
      const name = (what) => `${what}-${size}-${colorScheme}`;
      for (const [what, path] of Object.entries(PAGES)) {
        await report.check(`looks: ${name(what)}`, () =>
          browser.visit(options, async (page) => {
            await open(page, path);
            await examine(page, name(what));
          }),
        );
      }
      await report.check(`looks: ${name('search')}`, () =>
        browser.visit(options, async (page) => {
          await open(page, PAGES.guide);
          await page.keyboard.press('/');
          await page.keyboard.type('agent token');
          await page.getByRole('option').first().waitFor();
          await examine(page, name('search'));
        }),
      );
    }
  }
  await report.check('looks: menu-small-light', () =>
    browser.visit({ viewport: SIZES.small, reducedMotion: 'reduce' }, async (page) => {
      await open(page, PAGES.operation);
      await page.getByRole('button', { name: 'Menu' }).click();
      await examine(page, 'menu-small-light');
    }),
  );
}

async function examine(page, name) {
  await page.screenshot({ path: picture(name) });
  await page.screenshot({ path: picture(`${name}-whole`), fullPage: true });
  await fits(page);
  await accessible(page);
}

function picture(name) {
  return join(process.env.AIRLOCK_SCREENSHOTS, `${name}.png`);
}

async function fits(page) {
  const root = () => [document.documentElement.scrollWidth, document.documentElement.clientWidth];
  const [content, screen] = await page.evaluate(root);
  equal('the width of the content', Math.max(content, screen), screen);
}

async function accessible(page) {
  // Through the debugger, as the page's policy lets no foreign script in.
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  const grave = violations.filter(({ impact }) => ['serious', 'critical'].includes(impact));
  const told = grave.map(({ id, nodes }) => `${id} at ${nodes.map(({ target }) => target.join(' ')).join(', ')}`);
  equal('the list of what axe finds', told, []);
}

/** Every page there is, on a narrow screen. */
export async function everyPage(report, browser) {
  const index = await (await fetch(`${browser.url}/docs/llms.txt`)).text();
  const pages = [...index.matchAll(/\]\(([^)]+)\)/g)].map(([, link]) => new URL(link, `${browser.url}/docs/`).pathname);
  const paths = pages.filter((path) => path.endsWith('.md')).map((path) => path.replace(/(index)?\.md$/, ''));
  await report.check(`every page fits a narrow screen: ${paths.length} pages`, () =>
    browser.visit({ viewport: NARROW }, async (page) => {
      equal('whether there are many pages', paths.length > 50, true);
      for (const path of paths) {
        await open(page, path);
        await fits(page).catch((error) => {
          throw new Error(`${path}: ${error.message}`);
        });
      }
    }),
  );
}
