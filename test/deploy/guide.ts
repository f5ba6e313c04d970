import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './tools.js'

/** The block of YAML with a word at its beginning that a section of deployment.md shows. */
export function blockOf (section: string, word: string): string {
  const page = readFileSync(join(ROOT, 'docs/deployment.md'), 'utf8')
  const block = new RegExp(`^#+ ${section}$(?:(?!^#).)*?^\`\`\`yaml\\n(${word}:.*?)^\`\`\`$`, 'ms').exec(page)
  if (block === null) throw new Error(`no "${word}" in "${section}"`)
  return block[1]!
}
