// Whether the pages can be read without a script.

import { open, SIZES } from './browser.mjs';
import { menu } from './controls.mjs';
import { equal, holds } from './expect.mjs';

export async function plain(report, browser) {
  const check = (name, options, use) =>
    report.check(`no script: ${name}`, () => browser.visit({ javaScriptEnabled: false, ...options }, use));
  await check('an operation has its fields and all six samples', {}, operation);
  await check('no control that needs one', {}, noControls);
  await check('the menu opens on a small screen', { viewport: SIZES.small }, menu);
}

async function operation(page) {
  await open(page, '/docs/api/agent-token/create-agent-token');
  for (const name of ['Create an agent token', 'Body', 'Answer', 'Errors']) {
    holds(`that the heading ${name} shows`, await page.locator('main').getByRole('heading', { name }).first().isVisible());
  }
  holds('that a field shows', await page.getByText('tokenExpiryPeriodInDays', { exact: true }).first().isVisible());
  const samples = await page.locator('.samples .sample').all();
  equal('the number of samples', samples.length, 6);
  for (const sample of samples) {
    holds('that the sample shows', await sample.locator('pre').isVisible());
    holds('that its language shows', await sample.getByRole('heading').isVisible());
  }
}

async function noControls(page) {
  await open(page, '/docs/');
  equal('whether the search box shows', await page.locator('.search').isVisible(), false);
  equal('whether the theme button shows', await page.locator('.theme').isVisible(), false);
}
