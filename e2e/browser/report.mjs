// Says each check, and how many passed and failed.

export class Report {
  passed = 0;
  failed = 0;

  /** Runs a check; it fails by throwing, and the others go on. */
  async check(name, run) {
    try {
      await run();
      this.passed += 1;
      console.log(`ok      ${name}`);
    } catch (error) {
      this.failed += 1;
      console.log(`FAILED  ${name}: ${error.message.split('\n')[0]}`);
    }
  }

  /** Says the sum; whether all is well. */
  end() {
    console.log(`${this.passed} passed, ${this.failed} failed`);
    return this.failed === 0 && this.passed > 0;
  }
}
