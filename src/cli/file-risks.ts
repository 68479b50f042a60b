import type { Stats } from 'node:fs'
import { realpath, stat, statfs } from 'node:fs/promises'
import { dirname } from 'node:path'

/** What may happen to a model's file while it is open. */
type Risk = { readonly text: string; readonly isWrong: boolean }

const FRESH_MS = 60_000
/** A catalog entry is saved just before its model gets its final name. */
const LATER_MS = 2000
const WRITABLE = 0o002
const STICKY = 0o1000

/**
 * The visible risks of a model's file: which users may write to it, where it is, and whether it has changed
 * since its download. An open model's file is mapped: if it is cut, the system ends a process that reads on.
 */
export async function risksOf(path: string): Promise<readonly Risk[]> {
  const real = await realpath(path)
  const [file, folder, entry] = await Promise.all([
    stat(real),
    stat(dirname(real)),
    stat(`${path}.json`).catch(() => undefined), // exists if we downloaded it
  ])
  const { type } = await statfs(real)
  const [by, at, since] = [writers(file, folder), placeRisk(real, type), changes(file, entry)]
  return [...by, ...(at === undefined ? [] : [{ text: at, isWrong: false }]), ...since]
}

function writers(file: Stats, folder: Stats): readonly Risk[] {
  const own = process.geteuid?.()
  if (own === undefined) return [] // Windows does not have these permissions
  const risks: Risk[] = []
  if (file.mode & WRITABLE) risks.push({ text: 'any user can write to it', isWrong: true })
  if (folder.mode & WRITABLE && !(folder.mode & STICKY))
    risks.push({
      text: 'any user can replace it, because any user can write to its folder',
      isWrong: true,
    })
  if (file.uid !== own && file.uid !== 0) risks.push({ text: 'it belongs to another user', isWrong: false })
  return risks
}

function changes({ mtimeMs }: Stats, entry: Stats | undefined): readonly Risk[] {
  const risks: Risk[] = []
  if (entry && mtimeMs - entry.mtimeMs > LATER_MS)
    risks.push({
      text: 'it has changed since it was downloaded (`gpt4all-ts models verify` checks it)',
      isWrong: false,
    })
  if (Date.now() - mtimeMs < FRESH_MS)
    risks.push({ text: 'it changed within the last minute, and may still be changing', isWrong: false })
  return risks
}

/** File systems that this machine does not control alone, by their numbers in Linux (statfs(2)). */
const ELSEWHERE: Readonly<Record<number, string>> = {
  [0x6969]: 'a network drive (NFS)',
  [0x517b]: 'a network drive (SMB)',
  [0xff534d42]: 'a network drive (SMB)',
  [0xfe534d42]: 'a network drive (SMB)',
  [0x01021997]: 'a folder shared by the host (9p)',
  [0x00c36400]: 'a network drive (Ceph)',
  [0x5346414f]: 'a network drive (AFS)',
  [0x0bd00bd0]: 'a network drive (Lustre)',
  [0x65735546]: 'a file system made by a program (FUSE)',
  [0x4d44]: 'a removable drive (FAT)',
  [0x2011bab0]: 'a removable drive (exFAT)',
}
/** Where desktops mount removable disks. */
const COMING_AND_GOING = /^\/(run\/)?(media|Volumes)\//
const WINDOWS_SHARE = /^\\\\(?![?.]\\(?!UNC\\))/

/** The risk of a file's location, if any; `type` is that of `statfs()`. */
export function placeRisk(path: string, type: number, platform = process.platform): string | undefined {
  const kind = platform === 'linux' ? ELSEWHERE[type] : undefined
  if (kind !== undefined) return `it is on ${kind}`
  if (platform === 'win32') return WINDOWS_SHARE.test(path) ? 'it is on a network drive' : undefined
  return COMING_AND_GOING.test(path) ? 'it is on a removable drive' : undefined
}
