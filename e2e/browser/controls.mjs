// Whether the controls of the pages do what they say.

import { open, SIZES } from './browser.mjs';
import { equal, holds } from './expect.mjs';

const OPERATION = '/docs/api/agent-token/create-agent-token';
const ANOTHER = '/docs/api/workspace/list-workspaces';

export async function controls(report, browser) {
  const check = (name, options, use) => report.check(name, () => browser.visit(options, use));
  await check('tabs: each of six shows its sample alone', {}, eachTab);
  await check('tabs: the language stays on other pages', {}, keptLanguage);
  await check('tabs: arrow keys', {}, tabKeys);
  await check('copy: the button copies what its block shows', {}, copies);
  await check('search: finds the operation first, and Enter opens it', {}, finds);
  await check('search: arrow keys, Escape, and nothing found', {}, searchKeys);
  await check('search: the index is loaded when it is wanted', {}, lazyIndex);
  await check('theme: system, light, dark, and kept', { colorScheme: 'dark' }, themes);
  await check('keyboard: the first stop skips to the content', {}, skips);
  await check('menu: opens, leads, and closes on a small screen', { viewport: SIZES.small }, menu);
  await check('navigation: stays in sight when the page scrolls', {}, stays);
  await check('print: all samples, no navigation', {}, prints);
}

const samples = (page) => page.locator('.samples .sample');
const shown = async (page) => {
  const all = await samples(page).all();
  const visible = await Promise.all(all.map((sample) => sample.isVisible()));
  return all.filter((_, at) => visible[at]);
};
const background = (page) => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);

async function eachTab(page) {
  await open(page, OPERATION);
  const tabs = await page.getByRole('tab').all();
  equal('the number of tabs', tabs.length, 6);
  const codes = new Set();
  for (const tab of tabs) {
    await tab.click();
    equal('whether the tab is selected', await tab.getAttribute('aria-selected'), 'true');
    const visible = await shown(page);
    equal('the number of samples shown', visible.length, 1);
    equal('the sample shown', await visible[0].getAttribute('id'), await tab.getAttribute('aria-controls'));
    codes.add(await visible[0].locator('pre').innerText());
  }
  equal('the number of different samples', codes.size, 6);
}

async function keptLanguage(page) {
  await open(page, OPERATION);
  const tab = page.getByRole('tab').nth(3);
  const name = await tab.innerText();
  await tab.click();
  await open(page, ANOTHER);
  equal('the language there', await page.getByRole('tab', { selected: true }).innerText(), name);
}

async function tabKeys(page) {
  await open(page, OPERATION);
  const tabs = page.getByRole('tab');
  await tabs.first().focus();
  for (const [key, at] of [['ArrowRight', 1], ['End', 5], ['ArrowRight', 0], ['ArrowLeft', 5], ['Home', 0]]) {
    await page.keyboard.press(key);
    equal(`the tab after ${key}`, await tabs.nth(at).getAttribute('aria-selected'), 'true');
    holds('that the tab has the focus', await tabs.nth(at).evaluate((tab) => tab === document.activeElement));
  }
}

async function copies(page) {
  await open(page, OPERATION);
  await page.getByRole('tab').nth(1).click();
  const [sample] = await shown(page);
  await sample.hover();
  await sample.getByRole('button', { name: 'Copy' }).click();
  await page.getByRole('status').filter({ hasText: 'Copied' }).waitFor({ state: 'attached' });
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  equal('what was copied', copied, (await sample.locator('pre').innerText()).trimEnd());
  holds('that it is a sample', copied.includes('/agent-tokens'));
}

async function finds(page) {
  await open(page, '/docs/');
  await page.keyboard.press('Control+k');
  await page.keyboard.type('create agent token');
  const first = page.getByRole('option').first();
  await first.waitFor();
  equal('what is found first', await first.locator('b').innerText(), 'Create an agent token');
  holds('that a word is highlighted', (await first.locator('mark').count()) > 0);
  await Promise.all([page.waitForURL(`**${OPERATION}`), page.keyboard.press('Enter')]);
}

async function searchKeys(page) {
  await open(page, '/docs/agents');
  await page.keyboard.press('/');
  const box = page.getByRole('combobox');
  equal('whether the list is open', await box.getAttribute('aria-expanded'), 'false');
  await page.keyboard.type('token');
  await page.getByRole('option').first().waitFor();
  equal('whether the list is open', await box.getAttribute('aria-expanded'), 'true');
  await page.keyboard.press('ArrowDown');
  const second = page.getByRole('option').nth(1);
  equal('the second, selected', await second.getAttribute('aria-selected'), 'true');
  equal('what the box says is active', await box.getAttribute('aria-activedescendant'), await second.getAttribute('id'));
  await page.keyboard.press('Escape');
  equal('whether the list is open', await box.getAttribute('aria-expanded'), 'false');
  await box.fill('zeppelin');
  await page.getByText('Nothing has all of the words').waitFor();
}

async function lazyIndex(page) {
  const asked = [];
  page.on('request', (request) => asked.push(request.url()));
  const loads = () => asked.filter((url) => url.includes('search-index')).length;
  await open(page, '/docs/');
  await page.waitForLoadState('networkidle');
  equal('the loads before', loads(), 0);
  await page.getByRole('combobox').click();
  await page.waitForLoadState('networkidle');
  await page.keyboard.type('token');
  await page.getByRole('option').first().waitFor();
  equal('the loads after', loads(), 1);
}

async function themes(page) {
  await open(page, '/docs/');
  const dark = await background(page);
  const button = page.getByRole('button', { name: 'Theme' });
  await button.click();
  const light = await background(page);
  holds('that the background changed', light !== dark);
  await page.reload({ waitUntil: 'domcontentloaded' });
  equal('the background after loading again', await background(page), light);
  await page.emulateMedia({ colorScheme: 'light' });
  await button.click();
  equal('the background when dark is asked for', await background(page), dark);
  await button.click();
  equal("the background when the system's is asked for", await background(page), light);
}

async function skips(page) {
  await open(page, '/docs/agents');
  await page.keyboard.press('Tab');
  equal('the first stop', await page.evaluate(() => document.activeElement.textContent), 'Skip to the content');
  await page.keyboard.press('Enter');
  await page.keyboard.press('Tab');
  holds('that the next stop is in the content', await page.evaluate(() => !!document.activeElement.closest('main')));
}

export async function menu(page) {
  await open(page, '/docs/');
  const link = page.getByRole('navigation', { name: 'Documentation' }).getByRole('link', { name: 'All operations' });
  equal('whether the navigation shows', await link.isVisible(), false);
  const button = page.getByRole('button', { name: 'Menu' });
  await button.click();
  holds('that the navigation shows', await link.isVisible());
  await button.click();
  equal('whether the navigation shows', await link.isVisible(), false);
  await button.click();
  await link.click();
  await page.waitForURL('**/docs/api');
}

async function stays(page) {
  await open(page, '/docs/agents');
  await page.evaluate(() => scrollTo({ top: 3000, behavior: 'instant' }));
  for (const name of ['Documentation', 'On this page']) {
    const box = await page.getByLabel(name, { exact: true }).boundingBox();
    holds(`that ${name} is in sight`, box && box.y >= 0 && box.y < 100);
  }
}

async function prints(page) {
  await open(page, OPERATION);
  await page.emulateMedia({ media: 'print' });
  equal('the number of samples shown', (await shown(page)).length, 6);
  for (const part of ['.top', '#nav', '.tabs']) equal(`whether ${part} shows`, await page.locator(part).isVisible(), false);
}
