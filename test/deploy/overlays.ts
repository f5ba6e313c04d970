import { readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import type { Test } from 'tap'
import { parse } from 'yaml'
import { temporaryFolder } from '../process.js'
import { blockOf } from './guide.js'
import { KUSTOMIZE, Manifests } from './manifests.js'

/** A folder with a kustomization of a base and a component. */
export function overlay (t: Test, base: string, component: string): string {
  const folder = realpathSync(temporaryFolder(t))
  const [resource, addition] = [base, component].map(path => relative(folder, join(KUSTOMIZE, path)))
  writeFileSync(join(folder, 'kustomization.yaml'), JSON.stringify({ resources: [resource], components: [addition] }))
  return folder
}

/** What an overlay makes that has the lines which a section of deployment.md shows. */
export async function patched (t: Test, section: string, word = 'patches', component?: string): Promise<Manifests> {
  return await extended(t, parse(blockOf(section, word)) as object, component)
}

/** What an overlay of the base and a component makes that has further lines. */
export async function extended (t: Test, lines: object, component = 'components/prometheus'): Promise<Manifests> {
  const file = join(overlay(t, 'base', component), 'kustomization.yaml')
  writeFileSync(file, JSON.stringify({ ...parse(readFileSync(file, 'utf8')) as object, ...lines }))
  return await Manifests.ofKustomize(dirname(file))
}
