import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './tools.js'

/** The block of code in a language, with a word at its beginning, that a section of deployment.md shows. */
export function blockOf (section: string, word: string, language = 'yaml'): string {
  const page = readFileSync(join(ROOT, 'docs/deployment.md'), 'utf8')
  const block = new RegExp(`^#+ ${section}$(?:(?!^#).)*?^\`\`\`${language}\\n(${word}\\b.*?)^\`\`\`$`, 'ms').exec(page)
  if (block === null) throw new Error(`no "${word}" in "${section}"`)
  return block[1]!
}
