import { descriptions, latencyTable, mainTable, notes } from './tables.js'

/** The section on nodes that are one server. */
export function cluster (played, scenarios) {
  return `
## Two nodes on one Redis

The same server three times: **one node** without Redis; two nodes, with all members of the **room on one** of them, while
the other has none; two nodes, with all senders on one and all **receivers on the other**. A CPU-second is one of both
nodes together, and in parentheses is how many times better than one node that is. Redis is not in it: see below.

${played.skipped === undefined ? results(played, scenarios) : `Not measured: ${played.skipped}.`}
`
}

function results (played, scenarios) {
  return `${mainTable(played, scenarios)}

${notes(played)}

Deliveries a second, and latency as p50 / p99. Both nodes and Redis have the processor that one node has to itself, and so
wait for each other too; \`rate-200\` shows best what the way through Redis adds. What a process uses that has nothing to do
counts as well: with a second one, that shows where there is little else, in \`rate-200\` and \`lone-200\`.

${latencyTable(played, scenarios)}

${descriptions(scenarios)}
- In each, 10 others are in a room of their own on the last node, and must hear nothing of it.

A message is published once for each other node that has members of its room, however many these are.`
}
