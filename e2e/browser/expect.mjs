// What a check compares.

export function equal(what, is, should) {
  const [left, right] = [JSON.stringify(is), JSON.stringify(should)];
  if (left !== right) throw new Error(`${what} is ${left} and should be ${right}`);
}

export function holds(what, is) {
  if (!is) throw new Error(`${what} does not hold`);
}
