import { descriptions, mainTable } from './tables.js'

/** The section on what more peers cost those who were there. */
export function growth (played, scenarios) {
  return `
## More peers

What a delivery and a step cost must not depend on how many peers there are who have nothing to do with it, and a delivery
hardly on how many it is one of. In parentheses is how many times better than with a thousand peers that is.

${mainTable(played, scenarios)}

${descriptions(scenarios)}
`
}
