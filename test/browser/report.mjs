// What a journey tells the Go test that runs it: one JSON object a line on standard
// output, each with a kind:
//   step     a page was reached and looked at        {cell, page, ms}
//   finding  something is wrong                      {cell, page, rule, text}
//   measure  a number                                {cell, page, …}
//   end      the journey came to its end             {ms}
// A report without its end counts as a failure.

const began = performance.now()

function say(line) { process.stdout.write(JSON.stringify(line) + '\n') }

export const step = (cell, page, ms) => say({ kind: 'step', cell, page, ms: Math.round(ms) })
export const finding = (cell, page, rule, text) => say({ kind: 'finding', cell, page, rule, text })
export const measure = (cell, page, numbers) => say({ kind: 'measure', cell, page, ...numbers })
export const end = () => say({ kind: 'end', ms: Math.round(performance.now() - began) })
