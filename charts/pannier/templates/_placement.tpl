{{/* Parts of the mutating and validating policies that depend on the rest of the pod: pull secrets, the position of the sidecar, mounts at the directory of the socket, and Windows. The functions of the same purpose in src/injection make the same decisions. */}}

{{/* Names of the pull secrets of the sidecar, as a JSON list. */}}
{{- define "pannier.sidecarPullSecrets" -}}
{{- $names := list -}}
{{- range .Values.sidecar.imagePullSecrets -}}{{- $names = append $names .name -}}{{- end -}}
{{- toJson $names -}}
{{- end -}}

{{/* CEL text: index of the sidecar among the init containers, right after the last one that sidecar.after names. */}}
{{- define "pannier.sidecarIndex" -}}
{{- if .Values.sidecar.after -}}
string(variables.namedContainers.size() == 0 ? 0 : variables.initContainers.map(c, c.name).indexOf(variables.namedContainers[variables.namedContainers.size() - 1]) + 1)
{{- else -}}
"0"
{{- end -}}
{{- end -}}

{{/* Regular expressions for mount paths, with a slash added at their start. They equal those in src/injection/socket-mounts.ts. */}}
{{- define "pannier.socketDirectoryPattern" -}}
^(/+[.])*/+run(/+[.])*/+pannier(/+[.])*/*$
{{- end -}}
{{- define "pannier.socketParentPattern" -}}
^(/+[.])*/*$|^(/+[.])*/+(var(/+[.])*/+)?run((/+[.])*/+pannier)?(/+[.])*/*$
{{- end -}}
{{- define "pannier.runDirectoryPattern" -}}
^(/+[.])*/+(var(/+[.])*/+)?run(/+[.])*/*$
{{- end -}}

{{/* CEL condition: the mount is at the directory of the socket, in any notation. */}}
{{- define "pannier.isSocketMount" -}}
("/" + m.mountPath).matches("{{ include "pannier.socketDirectoryPattern" . }}")
{{- end -}}

{{/* CEL condition: the mount would contain or hide the directory of the socket, and is not a writable emptyDir volume at /run. */}}
{{- define "pannier.isSocketConflict" -}}
m.name != 'pannier-socket' && ('/' + m.mountPath).matches('{{ include "pannier.socketParentPattern" . }}') && !(
(!has(m.readOnly) || !m.readOnly) && ('/' + m.mountPath).matches('{{ include "pannier.runDirectoryPattern" . }}') &&
has(object.spec.volumes) && object.spec.volumes.exists(volume, volume.name == m.name && has(volume.emptyDir)))
{{- end -}}

{{/* CEL text: the field that selects Windows, or ''. A RuntimeClass can also select Windows nodes, but its node selector is not part of the pod. */}}
{{- define "pannier.windowsField" -}}
{{- $terms := "object.spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms" -}}
has(object.spec.os) && object.spec.os.name == 'windows' ? 'spec.os' :
has(object.spec.nodeSelector) && ('node.kubernetes.io/windows-build' in object.spec.nodeSelector ||
['kubernetes.io/os', 'beta.kubernetes.io/os'].exists(label, label in object.spec.nodeSelector && object.spec.nodeSelector[label] == 'windows')) ? 'spec.nodeSelector' :
has(object.spec.affinity) && has(object.spec.affinity.nodeAffinity) &&
has(object.spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution) &&
{{ $terms }}.size() > 0 && {{ $terms }}.all(term, has(term.matchExpressions) && term.matchExpressions.exists(e,
e.key == 'node.kubernetes.io/windows-build' && e.operator in ['In', 'Exists', 'Gt', 'Lt'] ||
e.key in ['kubernetes.io/os', 'beta.kubernetes.io/os'] && has(e.values) &&
(e.operator == 'In' && e.values.all(value, value == 'windows') || e.operator == 'NotIn' && 'linux' in e.values))) ? 'spec.affinity' :
has(object.spec.securityContext) && has(object.spec.securityContext.windowsOptions) ||
variables.otherContainers.exists(c, has(c.securityContext) && has(c.securityContext.windowsOptions)) ? 'securityContext.windowsOptions' : ''
{{- end -}}
