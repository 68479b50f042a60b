import { CHILD_ROLE, type ChildRole } from './node.ts'

/**
 * The variables that our child processes inherit; a `*` stands for the rest of a name. Any other may be a
 * secret, which they must not get, because they handle untrusted files.
 */
const SYSTEM = `
  PATH PATHEXT SYSTEMROOT SYSTEMDRIVE WINDIR COMSPEC PROGRAMDATA PROGRAMFILES* COMMONPROGRAMFILES* PROCESSOR_* NUMBER_OF_PROCESSORS
  HOME HOMEDRIVE HOMEPATH USERPROFILE USER USERNAME LOGNAME APPDATA LOCALAPPDATA TMP TEMP TMPDIR
  XDG_CACHE_HOME XDG_CONFIG_HOME XDG_CONFIG_DIRS XDG_DATA_HOME XDG_DATA_DIRS XDG_STATE_HOME XDG_RUNTIME_DIR
  LANG LANGUAGE LC_* TZ TZDIR LOCPATH GCONV_PATH
  LD_* DYLD_* NIX_LD* GLIBC_TUNABLES MALLOC_* ASAN_OPTIONS LSAN_OPTIONS TSAN_OPTIONS UBSAN_OPTIONS
  NODE_PATH NODE_ICU_DATA NODE_NO_WARNINGS NODE_V8_COVERAGE UV_THREADPOOL_SIZE UV_USE_IO_URING
  GPT4ALL_BINDING GPT4ALL_LOG`
/** For computing: ggml's own switches, those of its backends and of the drivers below them. */
const COMPUTE = `
  GGML_* LLAMA_* OMP_* GOMP_* KMP_* MKL_* OPENBLAS_* BLIS_* VECLIB_*
  CUDA_* NVIDIA_* HIP_* HSA_* ROCM_* ROCR_* AMD_* AMDGPU_* GPU_* MUSA_* ASCEND_* CANN_* SPACEMIT_*
  VK_* VULKAN_* MESA_* RADV_* ANV_* NVK_* INTEL_* DRI_PRIME METAL_* MTL_*
  SYCL_* ONEAPI_* ZE_* ZES_* UR_* OPENCL_* OCL_* POCL_* OPENVINO_* ADSP_LIBRARY_PATH`
/** For downloads. */
const NETWORK = `
  HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY NPM_CONFIG_PROXY NPM_CONFIG_HTTP_PROXY NPM_CONFIG_HTTPS_PROXY NPM_CONFIG_NO_PROXY
  NODE_EXTRA_CA_CERTS NODE_TLS_REJECT_UNAUTHORIZED NODE_USE_SYSTEM_CA SSL_CERT_FILE SSL_CERT_DIR OPENSSL_CONF OPENSSL_MODULES
  GPT4ALL_MODELS_URL`

/**
 * Secrets may have an inherited prefix: NVIDIA_API_KEY, LLAMA_CLOUD_PW. Short words must stand alone: PAT,
 * not PATH.
 */
const SECRET =
  /KEY|TOKEN|SECRET|PASSW|PASSPHRASE|PASSCODE|CREDENTIAL|AUTH|BEARER|COOKIE|(?:^|_)(?:PASS|PW|PWD|PAT|PIN|CREDS?|SESSION|SESS|SID|DSN|JWT|LOGIN)\d*(?:_|$)/
/** `https://user:password@host`, or a token alone. Downloads may need theirs: see NETWORK. */
const SECRET_IN_URL = /:\/\/[^/?#\s]*@/

const NEEDED: Readonly<Record<ChildRole, readonly string[]>> = {
  opening: namesOf(SYSTEM, COMPUTE),
  engine: namesOf(SYSTEM, COMPUTE, NETWORK),
}
const MAY_HOLD_URLS = namesOf(NETWORK)

function namesOf(...lists: readonly string[]): readonly string[] {
  return lists.flatMap((list) => list.trim().split(/\s+/))
}

/** The environment of a child for `role`: what it needs of this process's own, and `more`. */
export function environmentOf(
  role: ChildRole,
  more: Readonly<Record<string, string>> = {},
): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name, value = '']) =>
    isNeeded(role, name.toUpperCase(), value),
  )
  return {
    ...Object.fromEntries(own),
    ...more,
    ELECTRON_RUN_AS_NODE: '1',
    BUN_BE_BUN: '1', // executables made with Bun start themselves otherwise
    NODE_OPTIONS: '', // meant for the program itself
    [CHILD_ROLE]: role,
  }
}

function isNeeded(role: ChildRole, name: string, value: string): boolean {
  if (SECRET_IN_URL.test(value) && !MAY_HOLD_URLS.includes(name)) return false
  return NEEDED[role].some((needed) =>
    needed.endsWith('*') ? name.startsWith(needed.slice(0, -1)) && !SECRET.test(name) : name === needed,
  )
}
