// Runs all checks, against one server and in one browser.

import { withAirlock } from './airlock.mjs';
import { Browser } from './browser.mjs';
import { controls } from './controls.mjs';
import { everyPage, looks } from './looks.mjs';
import { plain } from './plain.mjs';
import { Report } from './report.mjs';

const report = new Report();
await withAirlock((url) =>
  Browser.with(url, async (browser) => {
    await looks(report, browser);
    await controls(report, browser);
    await plain(report, browser);
    await everyPage(report, browser);
  }),
);
process.exitCode = report.end() ? 0 : 1;
