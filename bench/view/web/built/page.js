(()=>{var TT=Object.defineProperty;var b=(t,e,r)=>()=>{if(r)throw r[0];try{return t&&(e=t(t=0)),e}catch(n){throw r=[n],n}};var ir=(t,e)=>{for(var r in e)TT(t,r,{get:e[r],enumerable:!0})};var bs,c3,Ka,l3,ly,Tu=b(()=>{bs=globalThis,c3=globalThis.document||{},Ka=globalThis.process||{},l3=globalThis.console,ly=globalThis.navigator||{}});function Qa(t){if(typeof window<"u"&&window.process?.type==="renderer"||typeof process<"u"&&process.versions?.electron)return!0;let e=typeof navigator<"u"&&navigator.userAgent,r=t||e;return!!(r&&r.indexOf("Electron")>=0)}var Au=b(()=>{});function Xe(){return!(typeof process=="object"&&String(process)==="[object process]"&&!process?.browser)||Qa()}var Lu=b(()=>{Au()});function Cu(t){return!t&&!Xe()?"Node":Qa(t)?"Electron":(t||ly.userAgent||"").indexOf("Edge")>-1?"Edge":globalThis.chrome?"Chrome":globalThis.safari?"Safari":globalThis.mozInnerScreenX?"Firefox":"Unknown"}var fy=b(()=>{Lu();Au();Tu()});var Mu,en=b(()=>{Tu();Lu();fy();Mu="4.1.2"});function ii(t,e){if(!t)throw new Error(e||"Assertion failed")}var Iu=b(()=>{});function Ru(t){if(!t)return 0;let e;switch(typeof t){case"number":e=t;break;case"object":e=t.logLevel||t.priority||0;break;default:return 0}return ii(Number.isFinite(e)&&e>=0),e}function uy(t){let{logLevel:e,message:r}=t;t.logLevel=Ru(e);let n=t.args?Array.from(t.args):[];for(;n.length&&n.shift()!==r;);switch(typeof e){case"string":case"function":r!==void 0&&n.unshift(r),t.message=e;break;case"object":Object.assign(t,e);break;default:}typeof t.message=="function"&&(t.message=t.message());let i=typeof t.message;return ii(i==="string"||i==="object"),Object.assign(t,{args:n},t.opts)}var dy=b(()=>{Iu()});var tn,Ja,hy=b(()=>{dy();tn=()=>{},Ja=class{constructor({level:e=0}={}){this.userData={},this._onceCache=new Set,this._level=e}set level(e){this.setLevel(e)}get level(){return this.getLevel()}setLevel(e){return this._level=e,this}getLevel(){return this._level}warn(e,...r){return this._log("warn",0,e,r,{once:!0})}error(e,...r){return this._log("error",0,e,r)}log(e,r,...n){return this._log("log",e,r,n)}info(e,r,...n){return this._log("info",e,r,n)}once(e,r,...n){return this._log("once",e,r,n,{once:!0})}_log(e,r,n,i,s={}){let o=uy({logLevel:r,message:n,args:this._buildArgs(r,n,i),opts:s});return this._createLogFunction(e,o,s)}_buildArgs(e,r,n){return[e,r,...n]}_createLogFunction(e,r,n){if(!this._shouldLog(r.logLevel))return tn;let i=this._getOnceTag(n.tag??r.tag??r.message);if((n.once||r.once)&&i!==void 0){if(this._onceCache.has(i))return tn;this._onceCache.add(i)}return this._emit(e,r)}_shouldLog(e){return this.getLevel()>=Ru(e)}_getOnceTag(e){if(e!==void 0)try{return typeof e=="string"?e:String(e)}catch{return}}}});function u3(t){try{let e=window[t],r="__storage_test__";return e.setItem(r,r),e.removeItem(r),e}catch{return null}}var ec,py=b(()=>{ec=class{constructor(e,r,n="sessionStorage"){this.storage=u3(n),this.id=e,this.config=r,this._loadConfiguration()}getConfiguration(){return this.config}setConfiguration(e){if(Object.assign(this.config,e),this.storage){let r=JSON.stringify(this.config);this.storage.setItem(this.id,r)}}_loadConfiguration(){let e={};if(this.storage){let r=this.storage.getItem(this.id);e=r?JSON.parse(r):{}}return Object.assign(this.config,e),this}}});function my(t){let e;return t<10?e=`${t.toFixed(2)}ms`:t<100?e=`${t.toFixed(1)}ms`:t<1e3?e=`${t.toFixed(0)}ms`:e=`${(t/1e3).toFixed(2)}s`,e}function gy(t,e=8){let r=Math.max(e-t.length,0);return`${" ".repeat(r)}${t}`}var yy=b(()=>{});function _y(t){return typeof t!="string"?t:(t=t.toUpperCase(),tc[t]||tc.WHITE)}function xy(t,e,r){return!Xe&&typeof t=="string"&&(e&&(t=`\x1B[${_y(e)}m${t}\x1B[39m`),r&&(t=`\x1B[${_y(r)+d3}m${t}\x1B[49m`)),t}var tc,d3,by=b(()=>{en();(function(t){t[t.BLACK=30]="BLACK",t[t.RED=31]="RED",t[t.GREEN=32]="GREEN",t[t.YELLOW=33]="YELLOW",t[t.BLUE=34]="BLUE",t[t.MAGENTA=35]="MAGENTA",t[t.CYAN=36]="CYAN",t[t.WHITE=37]="WHITE",t[t.BRIGHT_BLACK=90]="BRIGHT_BLACK",t[t.BRIGHT_RED=91]="BRIGHT_RED",t[t.BRIGHT_GREEN=92]="BRIGHT_GREEN",t[t.BRIGHT_YELLOW=93]="BRIGHT_YELLOW",t[t.BRIGHT_BLUE=94]="BRIGHT_BLUE",t[t.BRIGHT_MAGENTA=95]="BRIGHT_MAGENTA",t[t.BRIGHT_CYAN=96]="BRIGHT_CYAN",t[t.BRIGHT_WHITE=97]="BRIGHT_WHITE"})(tc||(tc={}));d3=10});function wy(t,e=["constructor"]){let r=Object.getPrototypeOf(t),n=Object.getOwnPropertyNames(r),i=t;for(let s of n){let o=i[s];typeof o=="function"&&(e.find(a=>s===a)||(i[s]=o.bind(t)))}}var vy=b(()=>{});var rc,kt,ku=b(()=>{en();rc=class{getHighResolutionTimer(){let e;if(Xe()&&bs.performance)e=bs?.performance?.now?.();else if("hrtime"in Ka){let r=Ka?.hrtime?.();e=r[0]*1e3+r[1]/1e6}else e=Date.now();return e}getMemoryUsageMB(){let r=bs?.performance?.memory?.usedJSHeapSize;return r==null?null:Math.trunc(r/1024/1024)}},kt=new rc;globalThis.Probe=rc;globalThis.probe=kt});function h3(t,e,r){if(typeof e=="string"){let n=r.time?gy(my(r.total)):"";e=r.time?`${t}: ${n}  ${e}`:`${t}: ${e}`,e=xy(e,r.color,r.background)}return e}function p3(t){for(let e in t)for(let r in t[e])return r||"untitled";return"empty"}var si,Ou,Be,Bu=b(()=>{en();hy();py();yy();by();vy();Iu();ku();si={debug:Xe()&&console.debug||console.log,log:console.log,info:console.info,warn:console.warn,error:console.error},Ou={enabled:!0,level:0},Be=class extends Ja{constructor({id:e}={id:""}){super({level:0}),this.VERSION=Mu,this._startTs=kt.getHighResolutionTimer(),this._deltaTs=kt.getHighResolutionTimer(),this.userData={},this.LOG_THROTTLE_TIMEOUT=0,this.id=e,this.userData={},this._storage=new ec(`__probe-${this.id}__`,{[this.id]:Ou}),this.timeStamp(`${this.id} started`),wy(this),Object.seal(this)}isEnabled(){return this._getConfiguration().enabled}getLevel(){return this._getConfiguration().level}getTotal(){return Number((kt.getHighResolutionTimer()-this._startTs).toPrecision(10))}getDelta(){return Number((kt.getHighResolutionTimer()-this._deltaTs).toPrecision(10))}set priority(e){this.level=e}get priority(){return this.level}getPriority(){return this.level}enable(e=!0){return this._updateConfiguration({enabled:e}),this}setLevel(e){return this._updateConfiguration({level:e}),this}get(e){return this._getConfiguration()[e]}set(e,r){this._updateConfiguration({[e]:r})}settings(){console.table?console.table(this._storage.config):console.log(this._storage.config)}assert(e,r){if(!e)throw new Error(r||"Assertion failed")}warn(e,...r){return this._log("warn",0,e,r,{method:si.warn,once:!0})}error(e,...r){return this._log("error",0,e,r,{method:si.error})}deprecated(e,r){return this.warn(`\`${e}\` is deprecated and will be removed in a later version. Use \`${r}\` instead`)}removed(e,r){return this.error(`\`${e}\` has been removed. Use \`${r}\` instead`)}probe(e,r,...n){let i=kt.getMemoryUsageMB();if(i!==null){let s=`${i}MB `;typeof r=="function"?r=()=>`${s}${r()}`:typeof r=="string"&&(r=`${s}${r}`)}return this._log("log",e,r,n,{method:si.log,time:!0,once:!0})}log(e,r,...n){return this._log("log",e,r,n,{method:si.debug})}info(e,r,...n){return this._log("info",e,r,n,{method:console.info})}once(e,r,...n){return this._log("once",e,r,n,{method:si.debug||si.info,once:!0})}table(e,r,n){return r?this._log("table",e,r,n&&[n]||[],{method:console.table||tn,tag:p3(r)}):tn}time(e,r){return this._log("time",e,r,[],{method:console.time?console.time:console.info})}timeEnd(e,r){return this._log("time",e,r,[],{method:console.timeEnd?console.timeEnd:console.info})}timeStamp(e,r){return this._log("time",e,r,[],{method:console.timeStamp||tn})}group(e,r,n={collapsed:!1}){let i=(n.collapsed?console.groupCollapsed:console.group)||console.info;return this._log("group",e,r,[],{method:i})}groupCollapsed(e,r,n={}){return this.group(e,r,Object.assign({},n,{collapsed:!0}))}groupEnd(e){return this._log("groupEnd",e,"",[],{method:console.groupEnd||tn})}withGroup(e,r,n){this.group(e,r)();try{n()}finally{this.groupEnd(e)()}}trace(){console.trace&&console.trace()}_shouldLog(e){return this.isEnabled()&&super._shouldLog(e)}_emit(e,r){let n=r.method;ii(n),r.total=this.getTotal(),r.delta=this.getDelta(),this._deltaTs=kt.getHighResolutionTimer();let i=h3(this.id,r.message,r);return n.bind(console,i,...r.args)}_getConfiguration(){return this._storage.config[this.id]||this._updateConfiguration(Ou),this._storage.config[this.id]}_updateConfiguration(e){let r=this._storage.config[this.id]||{...Ou};this._storage.setConfiguration({[this.id]:{...r,...e}})}};Be.VERSION=Mu});var Ey=b(()=>{ku();globalThis.probe||(globalThis.probe=kt)});var iG,ws=b(()=>{Bu();Bu();Ey();iG=new Be({id:"@probe.gl/log"})});function Ps(){let t;if(typeof window<"u"&&window.performance)t=window.performance.now();else if(typeof process<"u"&&process.hrtime){let e=process.hrtime();t=e[0]*1e3+e[1]/1e6}else t=Date.now();return t}var Qu=b(()=>{});var nn,Ju=b(()=>{Qu();nn=class{constructor(e,r){this.sampleSize=1,this.time=0,this.count=0,this.samples=0,this.lastTiming=0,this.lastSampleTime=0,this.lastSampleCount=0,this._count=0,this._time=0,this._samples=0,this._startTime=0,this._timerPending=!1,this.name=e,this.type=r,this.reset()}reset(){return this.time=0,this.count=0,this.samples=0,this.lastTiming=0,this.lastSampleTime=0,this.lastSampleCount=0,this._count=0,this._time=0,this._samples=0,this._startTime=0,this._timerPending=!1,this}setSampleSize(e){return this.sampleSize=e,this}incrementCount(){return this.addCount(1),this}decrementCount(){return this.subtractCount(1),this}addCount(e){return this._count+=e,this._samples++,this._checkSampling(),this}subtractCount(e){return this._count-=e,this._samples++,this._checkSampling(),this}addTime(e){return this._time+=e,this.lastTiming=e,this._samples++,this._checkSampling(),this}timeStart(){return this._startTime=Ps(),this._timerPending=!0,this}timeEnd(){return this._timerPending?(this.addTime(Ps()-this._startTime),this._timerPending=!1,this._checkSampling(),this):this}getSampleAverageCount(){return this.sampleSize>0?this.lastSampleCount/this.sampleSize:0}getSampleAverageTime(){return this.sampleSize>0?this.lastSampleTime/this.sampleSize:0}getSampleHz(){return this.lastSampleTime>0?this.sampleSize/(this.lastSampleTime/1e3):0}getAverageCount(){return this.samples>0?this.count/this.samples:0}getAverageTime(){return this.samples>0?this.time/this.samples:0}getHz(){return this.time>0?this.samples/(this.time/1e3):0}_checkSampling(){this._samples===this.sampleSize&&(this.lastSampleTime=this._time,this.lastSampleCount=this._count,this.count+=this._count,this.time+=this._time,this.samples+=this._samples,this._time=0,this._count=0,this._samples=0)}}});var at,Dy=b(()=>{Ju();at=class{constructor(e){this.stats={},this.id=e.id,this.stats={},this._initializeStats(e.stats),Object.seal(this)}get(e,r="count"){return this._getOrCreate({name:e,type:r})}get size(){return Object.keys(this.stats).length}reset(){for(let e of Object.values(this.stats))e.reset();return this}forEach(e){for(let r of Object.values(this.stats))e(r)}getTable(){let e={};return this.forEach(r=>{e[r.name]={time:r.time||0,count:r.count||0,average:r.getAverageTime()||0,hz:r.getHz()||0}}),e}_initializeStats(e=[]){e.forEach(r=>this._getOrCreate(r))}_getOrCreate(e){let{name:r,type:n}=e,i=this.stats[r];return i||(e instanceof nn?i=e:i=new nn(r,n),this.stats[r]=i),i}}});var Ts=b(()=>{Dy();Ju();Qu()});function d_(t){return ArrayBuffer.isView(t)&&!(t instanceof DataView)}function h_(t){return Array.isArray(t)?t.length===0||typeof t[0]=="number":!1}function ks(t){return d_(t)||h_(t)}var p_=b(()=>{});var hd=b(()=>{p_()});function ui(t){let e=t.split(""),r=0,n=0,i=!1,s=!1,o=!1;for(;r<t.length;){let a=t[r],c=t[r+1];if(s){o?o=!1:a==="\\"?o=!0:a==='"'&&(s=!1),r++;continue}if(i){a===`
`||a==="\r"?i=!1:e[r]=" ",r++;continue}if(n>0){if(a==="/"&&c==="*"){e[r]=" ",e[r+1]=" ",n++,r+=2;continue}if(a==="*"&&c==="/"){e[r]=" ",e[r+1]=" ",n--,r+=2;continue}a!==`
`&&a!=="\r"&&(e[r]=" "),r++;continue}if(a==='"'){s=!0,r++;continue}if(a==="/"&&c==="/"){e[r]=" ",e[r+1]=" ",i=!0,r+=2;continue}if(a==="/"&&c==="*"){e[r]=" ",e[r+1]=" ",n=1,r+=2;continue}r++}return e.join("")}function on(t,e){let r=ui(t),n=[];for(let i of e){i.lastIndex=0;let s;for(s=i.exec(r);s;){let o=i===e[0],a=s.index,c=s[0].length;n.push({match:t.slice(a,a+c),index:a,length:c,bindingToken:s[o?1:2],groupToken:s[o?2:1],accessDeclaration:s[3]?.trim(),name:s[4]}),s=i.exec(r)}}return n.sort((i,s)=>i.index-s.index)}function bd(t,e,r){let n=on(t,e);if(!n.length)return t;let i="",s=0;for(let o of n)i+=t.slice(s,o.index),i+=r(o),s=o.index+o.length;return i+=t.slice(s),i}function wd(t){return/@binding\(\s*auto\s*\)/.test(ui(t))}function C_(t,e){return on(t,e===fi||e===gc?IA:e).find(n=>n.bindingToken==="auto")}var Qe,fi,gc,L_,IA,yc=b(()=>{Qe="(?:var<\\s*(uniform|storage(?:\\s*,\\s*[A-Za-z_][A-Za-z0-9_]*)?)\\s*>|var)\\s+([A-Za-z_][A-Za-z0-9_]*)",fi=[new RegExp(`@binding\\(\\s*(auto|\\d+)\\s*\\)\\s*@group\\(\\s*(\\d+)\\s*\\)\\s*${Qe}`,"g"),new RegExp(`@group\\(\\s*(\\d+)\\s*\\)\\s*@binding\\(\\s*(auto|\\d+)\\s*\\)\\s*${Qe}`,"g")],gc=[new RegExp(`@binding\\(\\s*(auto|\\d+)\\s*\\)\\s*@group\\(\\s*(\\d+)\\s*\\)\\s*${Qe}`,"g"),new RegExp(`@group\\(\\s*(\\d+)\\s*\\)\\s*@binding\\(\\s*(auto|\\d+)\\s*\\)\\s*${Qe}`,"g")],L_=[new RegExp(`@binding\\(\\s*(\\d+)\\s*\\)\\s*@group\\(\\s*(\\d+)\\s*\\)\\s*${Qe}`,"g"),new RegExp(`@group\\(\\s*(\\d+)\\s*\\)\\s*@binding\\(\\s*(\\d+)\\s*\\)\\s*${Qe}`,"g")],IA=[new RegExp(`@binding\\(\\s*(auto)\\s*\\)\\s*@group\\(\\s*(\\d+)\\s*\\)\\s*${Qe}`,"g"),new RegExp(`@group\\(\\s*(\\d+)\\s*\\)\\s*@binding\\(\\s*(auto)\\s*\\)\\s*${Qe}`,"g"),new RegExp(`@binding\\(\\s*(auto)\\s*\\)\\s*@group\\(\\s*(\\d+)\\s*\\)(?:[\\s\\n\\r]*@[A-Za-z_][^\\n\\r]*)*[\\s\\n\\r]*${Qe}`,"g"),new RegExp(`@group\\(\\s*(\\d+)\\s*\\)\\s*@binding\\(\\s*(auto)\\s*\\)(?:[\\s\\n\\r]*@[A-Za-z_][^\\n\\r]*)*[\\s\\n\\r]*${Qe}`,"g")]});function xc(t,e={}){let r=M_(t),n=RA(r);if(!n)return null;let i=kA(r,n);if(!i)return null;let s=BA(r,n,i);if(!s)return null;if(e.scanVertexAttributes===!1)return{attributes:[],bindings:s};let o=OA(r,n);if(!o)return null;let a=UA(r,n,i,o,e.vertexEntryPoint);return a?{attributes:a,bindings:s}:null}function M_(t){let e=ui(t),r=/[A-Za-z_][A-Za-z0-9_]*|(?:0[xX][0-9A-Fa-f]+|\d+)|[@(){}<>\[\]:,;=]/g,n=[],i=r.exec(e);for(;i;)n.push({value:i[0],index:i.index}),i=r.exec(e);return n}function RA(t){let e=[],r=0;for(let n of t){if(n.value==="}"&&r===0)return null;e.push(r),n.value==="{"?r++:n.value==="}"&&r--}return r===0?e:null}function kA(t,e){let r=new Map;for(let n=0;n<t.length;n++){if(e[n]!==0||t[n].value!=="alias")continue;let i=t[n+1]?.value;if(!Ds(i)||t[n+2]?.value!=="="||r.has(i))return null;let s=k_(t,e,n+3,";");if(s<0||s===n+3)return null;r.set(i,_c(t.slice(n+3,s))),n=s}return r}function OA(t,e){let r=new Map;for(let n=0;n<t.length;n++){if(e[n]!==0||t[n].value!=="struct")continue;let i=t[n+1]?.value,s=n+2;if(!Ds(i)||r.has(i)||t[s]?.value!=="{")return null;let o=Pd(t,s,"{","}");if(o<0)return null;r.set(i,t.slice(s+1,o)),n=o}return r}function BA(t,e,r){let n=[],i=new Set,s=new Set;for(let o=0;o<t.length;o++){if(e[o]!==0||t[o].value!=="var")continue;let a=O_(t,e,o),c=t.slice(a,o),l=vd(c,"group"),f=vd(c,"binding");if(l===null||f===null||l===void 0!=(f===void 0))return null;if(l===void 0||f===void 0)continue;let u=o+1,d=[];if(t[u]?.value==="<"){let _=Pd(t,u,"<",">");if(_<0)return null;let x=bc(t.slice(u+1,_),",");if(!x)return null;d=x.map(_c),u=_+1}let h=t[u]?.value;if(!Ds(h)||t[u+1]?.value!==":")return null;let p=k_(t,e,u+2,";");if(p<0||p===u+2)return null;let m=Sd(_c(t.slice(u+2,p)),r);if(!m)return null;let g=DA({name:h,group:l,location:f,addressSpace:d,resourceType:m}),y=`${l}:${f}`;if(!g||i.has(y)||s.has(h))return null;n.push(g),i.add(y),s.add(h),o=p}return zA(n),n.sort((o,a)=>o.group-a.group||o.location-a.location||o.name.localeCompare(a.name))}function DA(t){let{name:e,group:r,location:n,addressSpace:i,resourceType:s}=t,o={name:e,group:r,location:n};if(i[0]==="uniform"&&i.length===1)return{...o,type:"uniform"};if(i[0]==="storage"&&i.length<=2){let a=i[1]||"read";return a==="read"?{...o,type:"read-only-storage"}:a==="read_write"?{...o,type:"storage"}:null}return i.length>0?null:s==="sampler"||s==="sampler_comparison"?{...o,type:"sampler",...s==="sampler_comparison"?{samplerType:"comparison"}:{}}:s==="texture_external"?{...o,type:"external-texture"}:NA(o,s)||FA(o,s)}function NA(t,e){let r=/^texture_storage_(1d|2d|2d_array|3d)<([A-Za-z0-9_]+),(read|write|read_write)>$/.exec(e);if(!r)return null;let n={read:"read-only",write:"write-only",read_write:"read-write"}[r[3]];return{...t,type:"storage",format:r[2],access:n,viewDimension:Ed(r[1])}}function FA(t,e){let r=/^texture_(multisampled_)?(1d|2d|2d_array|cube|cube_array|3d)<(f32|i32|u32)>$/.exec(e);if(r){if(r[1]&&r[2]!=="2d")return null;let i={f32:"float",i32:"sint",u32:"uint"}[r[3]];return{...t,type:"texture",viewDimension:Ed(r[2]),sampleType:i,multisampled:!!r[1]}}let n=/^texture_depth_(multisampled_)?(2d|2d_array|cube|cube_array)$/.exec(e);return!n||n[1]&&n[2]!=="2d"?null:{...t,type:"texture",viewDimension:Ed(n[2]),sampleType:"depth",multisampled:!!n[1]}}function zA(t){for(let e of t){if(e.type!=="sampler"||e.samplerType||!e.name.endsWith("Sampler"))continue;let r=e.name.slice(0,-7);t.find(i=>i.type==="texture"&&i.name===r&&i.group===e.group)?.sampleType==="depth"&&(e.samplerType="non-filtering")}}function UA(t,e,r,n,i){let s=$A(t,e);if(!s)return null;let o=s.filter(h=>h.vertex),a=i?o.find(h=>h.name===i):o.length===1?o[0]:void 0;if(!a)return o.length===0&&!i?[]:null;let c=bc(a.parameters,",");if(!c)return null;let l=[],f=new Set,u=new Set,d=new Set;for(let h of c)if(h.length>0&&!I_({declaration:h,aliases:r,structures:n,attributes:l,attributeLocations:f,attributeNames:u,visitedStructures:d}))return null;return l.sort((h,p)=>h.location-p.location||h.name.localeCompare(p.name))}function $A(t,e){let r=[],n=new Set;for(let i=0;i<t.length;i++){if(e[i]!==0||t[i].value!=="fn")continue;let s=t[i+1]?.value,o=i+2;if(!Ds(s)||n.has(s)||t[o]?.value!=="(")return null;let a=Pd(t,o,"(",")");if(a<0)return null;let c=O_(t,e,i);r.push({name:s,vertex:R_(t.slice(c,i),"vertex"),parameters:t.slice(o+1,a)}),n.add(s),i=a}return r}function I_(t){let{declaration:e,aliases:r,structures:n,attributes:i,attributeLocations:s,attributeNames:o,visitedStructures:a}=t,c=WA(e,":");if(c<1||c===e.length-1)return!1;let l=jA(e.slice(0,c)),f=vd(e.slice(0,c),"location"),u=R_(e.slice(0,c),"builtin"),d=Sd(_c(e.slice(c+1)),r);if(!l||f===null||!d||f!==void 0&&u)return!1;if(f!==void 0){let m=VA(d);return!m||s.has(f)||o.has(l)?!1:(i.push({name:l,location:f,type:m}),s.add(f),o.add(l),!0)}if(u)return!0;let h=n.get(d);if(!h||a.has(d))return!1;let p=bc(h,",");if(!p)return!1;a.add(d);for(let m of p)if(m.length>0&&!I_({...t,declaration:m}))return!1;return a.delete(d),!0}function Sd(t,e,r=new Set){let n=M_(t),i="";for(let s of n){let o=e.get(s.value);if(!o){i+=GA(s.value);continue}if(r.has(s.value))return null;let a=new Set(r);a.add(s.value);let c=Sd(o,e,a);if(!c)return null;i+=c}return i}function GA(t){let e=/^(vec[234]|mat[234]x[234])([fiuh])$/.exec(t);if(!e)return t;let r={f:"f32",i:"i32",u:"u32",h:"f16"}[e[2]];return`${e[1]}<${r}>`}function VA(t){return/^(?:i32|u32|f32|f16|vec[234]<(?:i32|u32|f32|f16)>)$/.test(t)?t:null}function vd(t,e){let r;for(let n=0;n<t.length;n++)if(!(t[n].value!=="@"||t[n+1]?.value!==e)){if(r!==void 0||t[n+2]?.value!=="("||!/^\d+$/.test(t[n+3]?.value||"")||t[n+4]?.value!==")")return null;r=Number(t[n+3].value)}return r}function R_(t,e){return t.some((r,n)=>r.value==="@"&&t[n+1]?.value===e)}function Ed(t){return t.replace("_","-")}function Pd(t,e,r,n){let i=0;for(let s=e;s<t.length;s++)if(t[s].value===r)i++;else if(t[s].value===n&&--i===0)return s;return-1}function bc(t,e){let r=[],n=0,i={"(":0,"<":0,"[":0,"{":0},s=Object.keys(i),o={")":"(",">":"<","]":"[","}":"{"};for(let a=0;a<t.length;a++){let c=t[a].value;if(c===e&&s.every(l=>i[l]===0)){r.push(t.slice(n,a)),n=a+1;continue}if(c in i)i[c]++;else if(c in o){let l=o[c];if(i[l]--,i[l]<0)return null}}return s.every(a=>i[a]===0)?(r.push(t.slice(n)),r):null}function WA(t,e){let r=bc(t,e);return r&&r.length===2?r[0].length:-1}function k_(t,e,r,n){for(let i=r;i<t.length;i++)if(e[i]===0&&t[i].value===n)return i;return-1}function O_(t,e,r){for(let n=r-1;n>=0;n--)if(t[n].value===";"&&e[n]===0||t[n].value==="}"&&e[n]===1)return n+1;return 0}function jA(t){for(let e=t.length-1;e>=0;e--)if(Ds(t[e].value))return t[e].value;return null}function _c(t){return t.map(e=>e.value).join("")}function Ds(t){return!!(t&&/^[A-Za-z_][A-Za-z0-9_]*$/.test(t))}var Td=b(()=>{yc()});function ar(t,e){if(!t){let r=new Error(e||"shadertools: assertion failed.");throw Error.captureStackTrace?.(r,ar),r}}var wc=b(()=>{});function D_(t){let e={};for(let[r,n]of Object.entries(t))e[r]=HA(n);return e}function HA(t){let e=B_(t);if(e!=="object")return{value:t,...Ad[e],type:e};if(typeof t=="object")return t?t.type!==void 0?{...t,...Ad[t.type],type:t.type}:t.value===void 0?{type:"object",value:t}:(e=B_(t.value),{...t,...Ad[e],type:e}):{type:"object",value:null};throw new Error("props")}function B_(t){return Array.isArray(t)||ArrayBuffer.isView(t)?"array":typeof t}var Ad,N_=b(()=>{Ad={number:{type:"number",validate(t,e){return Number.isFinite(t)&&typeof e=="object"&&(e.max===void 0||t<=e.max)&&(e.min===void 0||t>=e.min)}},array:{type:"array",validate(t,e){return Array.isArray(t)||ArrayBuffer.isView(t)}}}});var F_,z_,U_=b(()=>{F_=`#ifdef MODULE_LOGDEPTH
  logdepth_adjustPosition(gl_Position);
#endif
`,z_=`#ifdef MODULE_MATERIAL
  fragColor = material_filterColor(fragColor);
#endif

#ifdef MODULE_LIGHTING
  fragColor = lighting_filterColor(fragColor);
#endif

#ifdef MODULE_FOG
  fragColor = fog_filterColor(fragColor);
#endif

#ifdef MODULE_PICKING
  fragColor = picking_filterHighlightColor(fragColor);
  fragColor = picking_filterPickingColor(fragColor);
#endif

#ifdef MODULE_LOGDEPTH
  logdepth_setFragDepth();
#endif
`});function V_(t){let e={vertex:{},fragment:{}};for(let r in t){let n=t[r],i=qA(r);typeof n=="string"&&(n={order:0,injection:n}),e[i][r]=n}return e}function qA(t){let e=t.slice(0,2);switch(e){case"vs":return"vertex";case"fs":return"fragment";default:throw new Error(e)}}function Fs(t,e,r,n=!1,i="glsl",s={}){let o=e==="vertex";for(let a in r){let c=r[a];c.sort((f,u)=>f.order-u.order),Ld.length=c.length;for(let f=0,u=c.length;f<u;++f)Ld[f]=c[f].injection;let l=`${Ld.join(`
`)}
`;switch(a){case"vs:#decl":(i==="wgsl"||o)&&(t=t.replace(Ns,l));break;case"vs:#main-start":(i==="wgsl"||o)&&(t=i==="wgsl"?vc(t,"vertex",l,"start",s.vertex):t.replace($_,f=>f+l));break;case"vs:#main-end":(i==="wgsl"||o)&&(t=i==="wgsl"?vc(t,"vertex",l,"end",s.vertex):t.replace(G_,f=>l+f));break;case"fs:#decl":(i==="wgsl"||!o)&&(t=t.replace(Ns,l));break;case"fs:#main-start":(i==="wgsl"||!o)&&(t=i==="wgsl"?vc(t,"fragment",l,"start",s.fragment):t.replace($_,f=>f+l));break;case"fs:#main-end":(i==="wgsl"||!o)&&(t=i==="wgsl"?vc(t,"fragment",l,"end",s.fragment):t.replace(G_,f=>l+f));break;default:t=t.replace(a,f=>f+l)}}return t=t.replace(Ns,""),n&&(t=t.replace(/\}\s*$/,a=>a+YA[e])),t}function vc(t,e,r,n,i){let s=XA(t,e,i);if(!s)return t;if(n==="start"){let o=s.openBraceIndex+1;return`${t.slice(0,o)}
${r}${t.slice(o)}`}return`${t.slice(0,s.closeBraceIndex)}${r}${t.slice(s.closeBraceIndex)}`}function XA(t,e,r){let n=e==="vertex"?"@vertex":"@fragment",i=t.indexOf(n);if(i<0)return null;let s=r?t.search(new RegExp(`\\bfn\\s+${ZA(r)}\\s*\\(`)):t.indexOf("fn",i);if(s<0)return null;let o=t.indexOf("{",s);if(o<0)return null;let a=0;for(let c=o;c<t.length;c++){let l=t[c];if(l==="{")a++;else if(l==="}"&&(a--,a===0))return{openBraceIndex:o,closeBraceIndex:c}}return null}function ZA(t){return t.replace(/[.*+?^${}()|[\]\\]/g,"\\$&")}var YA,$_,G_,Ld,Ns,Cd=b(()=>{U_();YA={vertex:F_,fragment:z_},$_=/void\s+main\s*\([^)]*\)\s*\{\n?/,G_=/}\n?[^{}]*$/,Ld=[],Ns="__LUMA_INJECT_DECLARATIONS__"});function di(t){t.map(e=>KA(e))}function KA(t){if(t.instance)return;di(t.dependencies||[]);let{propTypes:e={},deprecations:r=[],inject:n={}}=t,i={normalizedInjections:V_(n),parsedDeprecations:QA(r)};e&&(i.propValidators=D_(e)),t.instance=i;let s={};e&&(s=Object.entries(e).reduce((o,[a,c])=>{let l=c?.value;return l&&(o[a]=l),o},{})),t.defaultUniforms={...t.defaultUniforms,...s}}function Md(t,e,r){t.deprecations?.forEach(n=>{n.regex?.test(e)&&(n.deprecated?r.deprecated(n.old,n.new)():r.removed(n.old,n.new)())})}function QA(t){return t.forEach(e=>{e.type==="function"?e.regex=new RegExp(`\\b${e.old}\\(`):e.regex=new RegExp(`${e.type} ${e.old};`)}),t}var Ec=b(()=>{N_();Cd()});function an(t){di(t);let e={},r={};W_({modules:t,level:0,moduleMap:e,moduleDepth:r});let n=Object.keys(r).sort((i,s)=>r[s]-r[i]).map(i=>e[i]);return di(n),n}function W_(t){let{modules:e,level:r,moduleMap:n,moduleDepth:i}=t;if(r>=5)throw new Error("Possible loop in shader dependency graph");for(let s of e)n[s.name]=s,(i[s.name]===void 0||i[s.name]<r)&&(i[s.name]=r);for(let s of e)s.dependencies&&W_({modules:s.dependencies,level:r+1,moduleMap:n,moduleDepth:i})}var Id=b(()=>{Ec()});var P,Ne=b(()=>{ws();P=new Be({id:"luma.gl"})});function JA(t,e){return t!=null?!!t:e!==void 0?e!=="production":!1}function eL(){return JA(P.get("debug"),tL())}function tL(){let t=globalThis.process;if(t?.env)return t.env.NODE_ENV}var Sc,Rd=b(()=>{Ne();Sc={id:null,powerPreference:"high-performance",failIfMajorPerformanceCaveat:!1,featureLevel:void 0,optionalFeatures:[],xrCompatible:!1,createCanvasContext:void 0,webgl:{},onError:(t,e)=>{},onResize:(t,e)=>{let[r,n]=t.getDevicePixelSize();P.log(1,`${t} resized => ${r}x${n}px`)()},onPositionChange:(t,e)=>{let[r,n]=t.getPosition();P.log(1,`${t} repositioned => ${r},${n}`)()},onVisibilityChange:t=>P.log(1,`${t} Visibility changed ${t.isVisible}`)(),onDevicePixelRatioChange:(t,e)=>P.log(1,`${t} DPR changed ${e.oldRatio} => ${t.devicePixelRatio}`)(),debug:eL(),debugGPUTime:!1,debugShaders:P.get("debug-shaders")||void 0,debugFramebuffers:!!P.get("debug-framebuffers"),debugFactories:!!P.get("debug-factories"),debugWebGL:!!P.get("debug-webgl"),debugSpectorJS:void 0,debugSpectorJSUrl:void 0,_reuseDevices:!1,_cacheShaders:!0,_destroyShaders:!1,_cachePipelines:!0,_sharePipelines:!0,_destroyPipelines:!1,_initializeFeatures:!0,_disabledFeatures:{"compilation-status-async-webgl":!0},_handle:void 0}});function iL(t,e){let r=t.stats,n=!1;for(let c of e)r[c]||(t.get(c),n=!0);let i=Object.keys(r).length,s=j_.get(t);if(!n&&s?.orderedStatNames===e&&s.statCount===i)return;let o={},a=H_.get(e);a||(a=new Set(e),H_.set(e,a));for(let c of e)r[c]&&(o[c]=r[c]);for(let[c,l]of Object.entries(r))a.has(c)||(o[c]=l);for(let c of Object.keys(r))delete r[c];Object.assign(r,o),j_.set(t,{orderedStatNames:e,statCount:i})}var rL,nL,j_,H_,kd,Pc,Od=b(()=>{Ts();rL="GPU Time and Memory",nL=["Adapter","GPU","GPU Type","GPU Backend","Frame Rate","CPU Time","GPU Time","GPU Memory","Buffer Memory","Texture Memory","External Buffer Memory","External Texture Memory","Swap Chain Texture"],j_=new WeakMap,H_=new WeakMap,kd=class{stats=new Map;getStats(e){return this.get(e)}get(e){this.stats.has(e)||this.stats.set(e,new at({id:e}));let r=this.stats.get(e);return e===rL&&iL(r,nL),r}},Pc=new kd});var sL,Y_,Bd,hi,q_=b(()=>{Rd();Od();Ne();sL="set luma.log.level=1 (or higher) to trace rendering",Y_="No matching device found. Ensure `@luma.gl/webgl` and/or `@luma.gl/webgpu` modules are imported.",Bd=class t{static defaultProps={...Sc,type:"best-available",adapters:void 0,waitForPageLoad:!0};stats=Pc;log=P;VERSION="9.4.2";spector;preregisteredAdapters=new Map;constructor(){if(globalThis.luma){if(globalThis.luma.VERSION!==this.VERSION)throw P.error(`Found luma.gl ${globalThis.luma.VERSION} while initialzing ${this.VERSION}`)(),P.error("'yarn why @luma.gl/core' can help identify the source of the conflict")(),new Error("luma.gl - multiple versions detected: see console log");P.error("This version of luma.gl has already been initialized")()}P.log(1,`${this.VERSION} - ${sL}`)(),globalThis.luma=this}async createDevice(e={}){let r={...t.defaultProps,...e},n=this.selectAdapter(r.type,r.adapters);if(!n)throw new Error(Y_);return r.waitForPageLoad&&await n.pageLoaded,await n.create(r)}async attachDevice(e,r){let n=this._getTypeFromHandle(e,r.adapters),i=n&&this.selectAdapter(n,r.adapters);if(!i)throw new Error(Y_);return await i?.attach?.(e,r)}registerAdapters(e){for(let r of e)this.preregisteredAdapters.set(r.type,r)}getSupportedAdapters(e=[]){let r=this._getAdapterMap(e);return Array.from(r).map(([,n])=>n).filter(n=>n.isSupported?.()).map(n=>n.type)}getBestAvailableAdapterType(e=[]){let r=["webgpu","webgl","null"],n=this._getAdapterMap(e);for(let i of r)if(n.get(i)?.isSupported?.())return i;return null}selectAdapter(e,r=[]){let n=e;e==="best-available"&&(n=this.getBestAvailableAdapterType(r));let i=this._getAdapterMap(r);return n&&i.get(n)||null}enforceWebGL2(e=!0,r=[]){let i=this._getAdapterMap(r).get("webgl");i||P.warn("enforceWebGL2: webgl adapter not found")(),i?.enforceWebGL2?.(e)}setDefaultDeviceProps(e){Object.assign(t.defaultProps,e)}_getAdapterMap(e=[]){let r=new Map(this.preregisteredAdapters);for(let n of e)r.set(n.type,n);return r}_getTypeFromHandle(e,r=[]){return e instanceof WebGL2RenderingContext?"webgl":typeof GPUDevice<"u"&&e instanceof GPUDevice||e?.queue?"webgpu":e===null?"null":(e instanceof WebGLRenderingContext?P.warn("WebGL1 is not supported",e)():P.warn("Unknown handle type",e)(),null)}},hi=new Bd});function cL(){return Tc||(aL()||typeof window>"u"?Tc=Promise.resolve():Tc=new Promise(t=>window.addEventListener("load",()=>t()))),Tc}var zs,oL,aL,Tc,X_=b(()=>{en();zs=class{get pageLoaded(){return cL()}},oL=Xe()&&typeof document<"u",aL=()=>oL&&document.readyState==="complete",Tc=null});function Ft(t="id"){Dd[t]=Dd[t]||1;let e=Dd[t]++;return`${t}-${e}`}var Dd,pi=b(()=>{Dd={}});function pL(t,e){let r={...e};for(let n in t)t[n]!==void 0&&(r[n]=t[n]);return r}function tx(t,e){let r=t.stats,n=!1;for(let c of e)r[c]||(t.get(c),n=!0);let i=Object.keys(r).length,s=J_.get(t);if(!n&&s?.orderedStatNames===e&&s.statCount===i)return;let o={},a=ex.get(e);a||(a=new Set(e),ex.set(e,a));for(let c of e)r[c]&&(o[c]=r[c]);for(let[c,l]of Object.entries(r))a.has(c)||(o[c]=l);for(let c of Object.keys(r))delete r[c];Object.assign(r,o),J_.set(t,{orderedStatNames:e,statCount:i})}function rx(t){return t.type==="webgl"?hL:dL}function Us(t){let e=t.userData[lL];return e?.enabled?e:null}function Pr(){return globalThis.performance?.now?.()??Date.now()}function mL(t,e){let r=Us(t);if(!(!r||!r.activeDefaultFramebufferAcquireDepth))switch(r.transientCanvasResourceCreates=(r.transientCanvasResourceCreates||0)+1,e){case"Texture":r.transientCanvasTextureCreates=(r.transientCanvasTextureCreates||0)+1;break;case"TextureView":r.transientCanvasTextureViewCreates=(r.transientCanvasTextureViewCreates||0)+1;break;case"Sampler":r.transientCanvasSamplerCreates=(r.transientCanvasSamplerCreates||0)+1;break;case"Framebuffer":r.transientCanvasFramebufferCreates=(r.transientCanvasFramebufferCreates||0)+1;break;default:break}}function gL(t){let e=Object.getPrototypeOf(t);for(;e;){let r=Object.getPrototypeOf(e);if(!r||r===F.prototype)return yL(e)||t[Symbol.toStringTag]||t.constructor.name;e=r}return t[Symbol.toStringTag]||t.constructor.name}function yL(t){let e=Object.getOwnPropertyDescriptor(t,Symbol.toStringTag);return typeof e?.get=="function"?e.get.call(t):typeof e?.value=="string"?e.value:null}var lL,Z_,K_,Q_,fL,uL,dL,hL,J_,ex,F,ge=b(()=>{pi();lL="cpu-hotspot-profiler",Z_="GPU Resource Counts",K_="Resource Counts",Q_="GPU Time and Memory",fL=["Resources","Buffers","Textures","Samplers","TextureViews","Framebuffers","QuerySets","Shaders","RenderPipelines","ComputePipelines","PipelineLayouts","VertexArrays","RenderPasss","RenderBundleEncoders","RenderBundles","ComputePasss","CommandEncoders","CommandBuffers"],uL=["Resources","Buffers","Textures","Samplers","TextureViews","Framebuffers","QuerySets","Shaders","RenderPipelines","SharedRenderPipelines","ComputePipelines","PipelineLayouts","VertexArrays","RenderPasss","RenderBundleEncoders","RenderBundles","ComputePasss","CommandEncoders","CommandBuffers"],dL=fL.flatMap(t=>[`${t} Created`,`${t} Active`]),hL=uL.flatMap(t=>[`${t} Created`,`${t} Active`]),J_=new WeakMap,ex=new WeakMap,F=class{static defaultProps={id:"undefined",handle:void 0,_isHandleBorrowed:!1,userData:void 0};toString(){return`${this[Symbol.toStringTag]||this.constructor.name}:"${this.id}"`}toJSON(){return this.toString()}id;props;userData={};_device;destroyed=!1;allocatedBytes=0;allocatedBytesName=null;_attachedResources=new Set;get ownsHandle(){return(this.props.handle===void 0||this.props.handle===null)&&!this.isHandleBorrowed}get isHandleBorrowed(){return!!this.props._isHandleBorrowed}constructor(e,r,n){if(!e)throw new Error("no device");this._device=e,this.props=pL(r,n);let i=this.props.id!=="undefined"?this.props.id:Ft(this[Symbol.toStringTag]);this.props.id=i,this.id=i,this.userData=this.props.userData||{},this.addStats()}destroy(){this.destroyed||this.destroyResource()}delete(){return this.destroy(),this}getProps(){return this.props}attachResource(e){this._attachedResources.add(e)}detachResource(e){this._attachedResources.delete(e)}destroyAttachedResource(e){this._attachedResources.delete(e)&&e.destroy()}destroyAttachedResources(){for(let e of this._attachedResources)e.destroy();this._attachedResources=new Set}destroyResource(){this.destroyed||(this.destroyAttachedResources(),this.removeStats(),this.destroyed=!0)}removeStats(){let e=Us(this._device),r=e?Pr():0,n=[this._device.statsManager.getStats(Z_),this._device.statsManager.getStats(K_)],i=rx(this._device);for(let o of n)tx(o,i);let s=this.getStatsName();for(let o of n)o.get("Resources Active").decrementCount(),o.get(`${s}s Active`).decrementCount();e&&(e.statsBookkeepingCalls=(e.statsBookkeepingCalls||0)+1,e.statsBookkeepingTimeMs=(e.statsBookkeepingTimeMs||0)+(Pr()-r))}trackAllocatedMemory(e,r=this.getStatsName()){let n=Us(this._device),i=n?Pr():0,s=this._device.statsManager.getStats(Q_);this.allocatedBytes>0&&this.allocatedBytesName&&(s.get("GPU Memory").subtractCount(this.allocatedBytes),s.get(`${this.allocatedBytesName} Memory`).subtractCount(this.allocatedBytes)),s.get("GPU Memory").addCount(e),s.get(`${r} Memory`).addCount(e),n&&(n.statsBookkeepingCalls=(n.statsBookkeepingCalls||0)+1,n.statsBookkeepingTimeMs=(n.statsBookkeepingTimeMs||0)+(Pr()-i)),this.allocatedBytes=e,this.allocatedBytesName=r}trackReferencedMemory(e,r=this.getStatsName()){this.trackAllocatedMemory(e,`External ${r}`)}trackDeallocatedMemory(e=this.getStatsName()){if(this.allocatedBytes===0){this.allocatedBytesName=null;return}let r=Us(this._device),n=r?Pr():0,i=this._device.statsManager.getStats(Q_);i.get("GPU Memory").subtractCount(this.allocatedBytes),i.get(`${this.allocatedBytesName||e} Memory`).subtractCount(this.allocatedBytes),r&&(r.statsBookkeepingCalls=(r.statsBookkeepingCalls||0)+1,r.statsBookkeepingTimeMs=(r.statsBookkeepingTimeMs||0)+(Pr()-n)),this.allocatedBytes=0,this.allocatedBytesName=null}trackDeallocatedReferencedMemory(e=this.getStatsName()){this.trackDeallocatedMemory(`Referenced ${e}`)}addStats(){let e=this.getStatsName(),r=Us(this._device),n=r?Pr():0,i=[this._device.statsManager.getStats(Z_),this._device.statsManager.getStats(K_)],s=rx(this._device);for(let o of i)tx(o,s);for(let o of i)o.get("Resources Created").incrementCount(),o.get("Resources Active").incrementCount(),o.get(`${e}s Created`).incrementCount(),o.get(`${e}s Active`).incrementCount();r&&(r.statsBookkeepingCalls=(r.statsBookkeepingCalls||0)+1,r.statsBookkeepingTimeMs=(r.statsBookkeepingTimeMs||0)+(Pr()-n)),mL(this._device,e)}getStatsName(){return gL(this)}}});var U,Ac=b(()=>{ge();U=class t extends F{static INDEX=16;static VERTEX=32;static UNIFORM=64;static STORAGE=128;static INDIRECT=256;static QUERY_RESOLVE=512;static MAP_READ=1;static MAP_WRITE=2;static COPY_SRC=4;static COPY_DST=8;get[Symbol.toStringTag](){return"Buffer"}usage;indexType;updateTimestamp;constructor(e,r){let n={...r};(r.usage||0)&t.INDEX&&!r.indexType&&(r.data instanceof Uint32Array?n.indexType="uint32":r.data instanceof Uint16Array?n.indexType="uint16":r.data instanceof Uint8Array&&(n.indexType="uint8")),delete n.data,super(e,n,t.defaultProps),this.usage=n.usage||0,this.indexType=n.indexType,this.updateTimestamp=e.incrementTimestamp()}clone(e){return this.device.createBuffer({...this.props,...e})}static DEBUG_DATA_MAX_LENGTH=32;debugData=new ArrayBuffer(0);_setDebugData(e,r,n){if(!this.device.props.debug)return;let i=null,s;ArrayBuffer.isView(e)?(i=e,s=e.buffer):s=e;let o=Math.min(e?e.byteLength:n,t.DEBUG_DATA_MAX_LENGTH);if(s===null)this.debugData=new ArrayBuffer(o);else{let a=Math.min(i?.byteOffset||0,s.byteLength),c=Math.max(0,s.byteLength-a),l=Math.min(o,c);this.debugData=new Uint8Array(s,a,l).slice().buffer}}static defaultProps={...F.defaultProps,handle:void 0,usage:0,byteLength:0,byteOffset:0,data:null,indexType:"uint16",onMapped:void 0}}});function nx(){return Nd??Uint16Array}function ix(t){return!!(Nd&&t===Nd)}var Nd,sx=b(()=>{Nd=globalThis.Float16Array});function ox(t){let e=t.includes("norm"),r=!e&&!t.startsWith("float"),n=t.startsWith("s"),i=Fd[t],[s,o,a]=i||["uint8 ","i32",1];return{signedType:s,primitiveType:o,byteLength:a,normalized:e,integer:r,signed:n}}function ax(t){let e=t;switch(e){case"uint8":return"unorm8";case"sint8":return"snorm8";case"uint16":return"unorm16";case"sint16":return"snorm16";default:return e}}function ct(t,e){switch(e){case 1:return t;case 2:return t+t%2;default:return t+(4-t%4)%4}}function Lc(t){let e=ArrayBuffer.isView(t)?t.constructor:t;if(ix(e))return"float16";if(e===Uint8ClampedArray)return"uint8";let r=Object.values(Fd).find(n=>e===n[4]);if(!r)throw new Error(e.name);return r[0]}function cx(t){return Lc(t)}function cn(t){if(t==="float16")return nx();let e=Fd[t];if(!e)throw new Error(t);let[,,,,r]=e;return r}function ln(t){return cn(t)}var Fd,Cc=b(()=>{sx();Fd={uint8:["uint8","u32",1,!1,Uint8Array],sint8:["sint8","i32",1,!1,Int8Array],unorm8:["uint8","f32",1,!0,Uint8Array],snorm8:["sint8","f32",1,!0,Int8Array],uint16:["uint16","u32",2,!1,Uint16Array],sint16:["sint16","i32",2,!1,Int16Array],unorm16:["uint16","u32",2,!0,Uint16Array],snorm16:["sint16","i32",2,!0,Int16Array],float16:["float16","f16",2,!1,Uint16Array],float32:["float32","f32",4,!1,Float32Array],uint32:["uint32","u32",4,!1,Uint32Array],sint32:["sint32","i32",4,!1,Int32Array]}});var zd,we,Mc=b(()=>{Cc();zd=class{getDataTypeInfo(e){return ox(e)}getNormalizedDataType(e){return ax(e)}alignTo(e,r){return ct(e,r)}getDataType(e){return cx(e)}getTypedArrayConstructor(e){return ln(e)}},we=new zd});function _L(t,e){try{return we.getDataTypeInfo(e)}catch{throw new Error(`Unsupported vertex format: ${t}`)}}function xL(t,e){if(!e)return 1;let r=Number(e);if(r===2||r===3||r===4)return r;throw new Error(`Unsupported vertex format: ${t}`)}function bL(t,e,r){if(r!==3)throw new Error(`Unsupported vertex format: ${t}`);switch(e){case"uint8":case"sint8":case"unorm8":case"snorm8":case"uint16":case"sint16":case"unorm16":case"snorm16":return`${e}x3-webgl`;default:throw new Error(`Unsupported vertex format: ${t}`)}}var Ud,re,$s=b(()=>{Mc();Ud=class{getVertexFormatInfo(e){if(e==="unorm10-10-10-2")return{type:"unorm8",components:4,byteLength:4,integer:!1,signed:!1,normalized:!0};let r=e==="unorm8x4-bgra"?"unorm8x4":e,n;r.endsWith("-webgl")&&(r=r.slice(0,-6),n=!0);let i=r.split("x");if(i.length>2)throw new Error(`Unsupported vertex format: ${e}`);let[s,o]=i,a=s,c=xL(e,o),l=_L(e,a),f;try{f=n?bL(e,a,c):this.makeVertexFormat(l.signedType,c,l.normalized)}catch{throw new Error(`Unsupported vertex format: ${e}`)}if(f!==(n?e:r))throw new Error(`Unsupported vertex format: ${e}`);let u={type:a,components:c,byteLength:l.byteLength*c,integer:l.integer,signed:l.signed,normalized:l.normalized};return n&&(u.webglOnly=!0),u}makeVertexFormat(e,r,n){let i=n?we.getNormalizedDataType(e):e;switch(i){case"unorm8":return r===1?"unorm8":r===3?"unorm8x3-webgl":`${i}x${r}`;case"snorm8":return r===1?"snorm8":r===3?"snorm8x3-webgl":`${i}x${r}`;case"uint8":case"sint8":if(r===3)throw new Error(`size: ${r}`);return r===1?i:`${i}x${r}`;case"uint16":return r===1?"uint16":r===3?"uint16x3-webgl":`${i}x${r}`;case"sint16":return r===1?"sint16":r===3?"sint16x3-webgl":`${i}x${r}`;case"unorm16":return r===1?"unorm16":r===3?"unorm16x3-webgl":`${i}x${r}`;case"snorm16":return r===1?"snorm16":r===3?"snorm16x3-webgl":`${i}x${r}`;case"float16":if(r===3)throw new Error(`size: ${r}`);return r===1?i:`${i}x${r}`;default:return r===1?i:`${i}x${r}`}}getVertexFormatFromAttribute(e,r,n){if(!r||r>4)throw new Error(`size ${r}`);let i=r,s=we.getDataType(e);return this.makeVertexFormat(s,i,n)}getCompatibleVertexFormat(e){let r;switch(e.primitiveType){case"f32":r="float32";break;case"i32":r="sint32";break;case"u32":r="uint32";break;case"f16":return e.components<=2?"float16x2":"float16x4"}return e.components===1?r:`${r}x${e.components}`}},re=new Ud});function Oc(t){let e=ux[t];if(!e)throw new Error(`Unsupported texture format ${t}`);return e}function fx(){return ux}var ve,Q,zt,wL,Ic,$d,Rc,Gd,vL,Vd,Tr,Wd,jd,kc,lx,EL,SL,ux,Hd=b(()=>{ve="texture-compression-bc",Q="texture-compression-astc",zt="texture-compression-etc2",wL="texture-compression-etc1-webgl",Ic="texture-compression-pvrtc-webgl",$d="texture-compression-atc-webgl",Rc="float32-renderable-webgl",Gd="float16-renderable-webgl",vL="rgb9e5ufloat-renderable-webgl",Vd="snorm8-renderable-webgl",Tr="norm16-webgl",Wd="norm16-renderable-webgl",jd="snorm16-renderable-webgl",kc="float32-filterable",lx="float16-filterable-webgl";EL={r8unorm:{webgpu:527},rg8unorm:{webgpu:527},"rgb8unorm-webgl":{},rgba8unorm:{webgpu:31},"rgba8unorm-srgb":{webgpu:15},r8snorm:{render:Vd,webgpu:837},rg8snorm:{render:Vd,webgpu:837},"rgb8snorm-webgl":{},rgba8snorm:{render:Vd,webgpu:341},r8uint:{webgpu:515},rg8uint:{webgpu:515},rgba8uint:{webgpu:19},r8sint:{webgpu:515},rg8sint:{webgpu:515},rgba8sint:{webgpu:19},bgra8unorm:{webgpu:15},"bgra8unorm-srgb":{webgpu:15360},r16unorm:{f:Tr,render:Wd,webgpu:992},rg16unorm:{f:Tr,render:Wd,webgpu:992},"rgb16unorm-webgl":{f:Tr,render:!1},rgba16unorm:{f:Tr,render:Wd,webgpu:992},r16snorm:{f:Tr,render:jd,webgpu:992},rg16snorm:{f:Tr,render:jd,webgpu:992},"rgb16snorm-webgl":{f:Tr,render:!1},rgba16snorm:{f:Tr,render:jd,webgpu:992},r16uint:{webgpu:515},rg16uint:{webgpu:515},rgba16uint:{webgpu:19},r16sint:{webgpu:515},rg16sint:{webgpu:515},rgba16sint:{webgpu:19},r16float:{render:Gd,filter:"float16-filterable-webgl",webgpu:527},rg16float:{render:Gd,filter:lx,webgpu:527},rgba16float:{render:Gd,filter:lx,webgpu:31},r32uint:{webgpu:19},rg32uint:{webgpu:16387},rgba32uint:{webgpu:19},r32sint:{webgpu:19},rg32sint:{webgpu:16387},rgba32sint:{webgpu:19},r32float:{render:Rc,filter:kc,webgpu:19},rg32float:{render:!1,filter:kc,webgpu:16387},"rgb32float-webgl":{render:Rc,filter:kc},rgba32float:{render:Rc,filter:kc,webgpu:19},"rgba4unorm-webgl":{channels:"rgba",bitsPerChannel:[4,4,4,4],packed:!0},"rgb565unorm-webgl":{channels:"rgb",bitsPerChannel:[5,6,5,0],packed:!0},"rgb5a1unorm-webgl":{channels:"rgba",bitsPerChannel:[5,5,5,1],packed:!0},rgb9e5ufloat:{channels:"rgb",packed:!0,render:vL,webgpu:5},rg11b10ufloat:{channels:"rgb",bitsPerChannel:[11,11,10,0],packed:!0,p:1,render:Rc,webgpu:517},rgb10a2unorm:{channels:"rgba",bitsPerChannel:[10,10,10,2],packed:!0,p:1,webgpu:527},rgb10a2uint:{channels:"rgba",bitsPerChannel:[10,10,10,2],packed:!0,p:1,webgpu:515},stencil8:{attachment:"stencil",bitsPerChannel:[8,0,0,0],dataType:"uint8",webgpu:3},depth16unorm:{attachment:"depth",bitsPerChannel:[16,0,0,0],dataType:"uint16",webgpu:3},depth24plus:{attachment:"depth",bitsPerChannel:[24,0,0,0],dataType:"uint32",webgpu:3},depth32float:{attachment:"depth",bitsPerChannel:[32,0,0,0],dataType:"float32",webgpu:3},"depth24plus-stencil8":{attachment:"depth-stencil",bitsPerChannel:[24,8,0,0],packed:!0,webgpu:3},"depth32float-stencil8":{attachment:"depth-stencil",bitsPerChannel:[32,8,0,0],packed:!0,f:"depth32float-stencil8",webgpu:3}},SL={"bc1-rgb-unorm-webgl":{f:ve},"bc1-rgb-unorm-srgb-webgl":{f:ve},"bc1-rgba-unorm":{f:ve},"bc1-rgba-unorm-srgb":{f:ve},"bc2-rgba-unorm":{f:ve},"bc2-rgba-unorm-srgb":{f:ve},"bc3-rgba-unorm":{f:ve},"bc3-rgba-unorm-srgb":{f:ve},"bc4-r-unorm":{f:ve},"bc4-r-snorm":{f:ve},"bc5-rg-unorm":{f:ve},"bc5-rg-snorm":{f:ve},"bc6h-rgb-ufloat":{f:ve},"bc6h-rgb-float":{f:ve},"bc7-rgba-unorm":{f:ve},"bc7-rgba-unorm-srgb":{f:ve},"etc2-rgb8unorm":{f:zt},"etc2-rgb8unorm-srgb":{f:zt},"etc2-rgb8a1unorm":{f:zt},"etc2-rgb8a1unorm-srgb":{f:zt},"etc2-rgba8unorm":{f:zt},"etc2-rgba8unorm-srgb":{f:zt},"eac-r11unorm":{f:zt},"eac-r11snorm":{f:zt},"eac-rg11unorm":{f:zt},"eac-rg11snorm":{f:zt},"astc-4x4-unorm":{f:Q},"astc-4x4-unorm-srgb":{f:Q},"astc-5x4-unorm":{f:Q},"astc-5x4-unorm-srgb":{f:Q},"astc-5x5-unorm":{f:Q},"astc-5x5-unorm-srgb":{f:Q},"astc-6x5-unorm":{f:Q},"astc-6x5-unorm-srgb":{f:Q},"astc-6x6-unorm":{f:Q},"astc-6x6-unorm-srgb":{f:Q},"astc-8x5-unorm":{f:Q},"astc-8x5-unorm-srgb":{f:Q},"astc-8x6-unorm":{f:Q},"astc-8x6-unorm-srgb":{f:Q},"astc-8x8-unorm":{f:Q},"astc-8x8-unorm-srgb":{f:Q},"astc-10x5-unorm":{f:Q},"astc-10x5-unorm-srgb":{f:Q},"astc-10x6-unorm":{f:Q},"astc-10x6-unorm-srgb":{f:Q},"astc-10x8-unorm":{f:Q},"astc-10x8-unorm-srgb":{f:Q},"astc-10x10-unorm":{f:Q},"astc-10x10-unorm-srgb":{f:Q},"astc-12x10-unorm":{f:Q},"astc-12x10-unorm-srgb":{f:Q},"astc-12x12-unorm":{f:Q},"astc-12x12-unorm-srgb":{f:Q},"pvrtc-rgb4unorm-webgl":{f:Ic},"pvrtc-rgba4unorm-webgl":{f:Ic},"pvrtc-rgb2unorm-webgl":{f:Ic},"pvrtc-rgba2unorm-webgl":{f:Ic},"etc1-rbg-unorm-webgl":{f:wL},"atc-rgb-unorm-webgl":{f:$d},"atc-rgba-unorm-webgl":{f:$d},"atc-rgbai-unorm-webgl":{f:$d}},ux={...EL,...SL}});function ML({format:t,width:e,height:r,depth:n,byteAlignment:i}){let s=Fe.getInfo(t),{bytesPerPixel:o,bytesPerBlock:a=o,blockWidth:c=1,blockHeight:l=1,compressed:f=!1}=s,u=f?Math.ceil(e/c):e,d=f?Math.ceil(r/l):r,h=u*a,p=Math.ceil(h/i)*i,m=d,g=p*m*n;return{bytesPerPixel:o,bytesPerRow:p,rowsPerImage:m,depthOrArrayLayers:n,bytesPerImage:p*m,byteLength:g}}function IL(t){let e=Oc(t),r={format:t,create:e.f??!0,render:e.render??!0,filter:e.filter??!0,blend:e.blend??!0,store:e.store??!0},n=dx(t),i=t.startsWith("depth")||t.startsWith("stencil"),s=n?.signed,o=n?.integer,a=n?.webgl,c=!!n?.compressed;return r.render&&=!i&&!c,r.filter&&=!i&&!s&&!o&&!a,r}function dx(t){let e=RL(t);if(Fe.isCompressed(t)){e.channels="rgb",e.components=3,e.bytesPerPixel=1,e.srgb=!1,e.compressed=!0,e.bytesPerBlock=OL(t);let n=kL(t);n&&(e.blockWidth=n.blockWidth,e.blockHeight=n.blockHeight)}let r=e.packed?null:PL.exec(t);if(r){let[,n,i,s,o,a]=r,c=`${s}${i}`,l=we.getDataTypeInfo(c),f=l.byteLength*8,u=n?.length??1,d=[f,u>=2?f:0,u>=3?f:0,u>=4?f:0];e={format:t,attachment:e.attachment,dataType:l.signedType,components:u,channels:n,integer:l.integer,signed:l.signed,normalized:l.normalized,bitsPerChannel:d,bytesPerPixel:l.byteLength*u,packed:e.packed,srgb:e.srgb},a==="-webgl"&&(e.webgl=!0),o==="-srgb"&&(e.srgb=!0)}return t.endsWith("-webgl")&&(e.webgl=!0),t.endsWith("-srgb")&&(e.srgb=!0),e}function RL(t){let e={...Oc(t)},r=e.bytesPerPixel||1,n=e.bitsPerChannel||[8,8,8,8];return delete e.bitsPerChannel,delete e.bytesPerPixel,delete e.f,delete e.render,delete e.filter,delete e.blend,delete e.store,delete e.webgpu,{...e,format:t,attachment:e.attachment||"color",channels:e.channels||"r",components:e.components||e.channels?.length||1,bytesPerPixel:r,bitsPerChannel:n,dataType:e.dataType||"uint8",srgb:e.srgb??!1,packed:e.packed??!1,webgl:e.webgl??!1,integer:e.integer??!1,signed:e.signed??!1,normalized:e.normalized??!1,compressed:e.compressed??!1}}function kL(t){let r=/.*-(\d+)x(\d+)-.*/.exec(t);if(r){let[,n,i]=r;return{blockWidth:Number(n),blockHeight:Number(i)}}return t.startsWith("bc")||t.startsWith("etc1")||t.startsWith("etc2")||t.startsWith("eac")||t.startsWith("atc")?{blockWidth:4,blockHeight:4}:t.startsWith("pvrtc-rgb4")||t.startsWith("pvrtc-rgba4")?{blockWidth:4,blockHeight:4}:t.startsWith("pvrtc-rgb2")||t.startsWith("pvrtc-rgba2")?{blockWidth:8,blockHeight:4}:null}function OL(t){return t.startsWith("bc1")||t.startsWith("bc4")||t.startsWith("etc1")||t.startsWith("etc2-rgb8")||t.startsWith("etc2-rgb8a1")||t.startsWith("eac-r11")||t==="atc-rgb-unorm-webgl"?8:t.startsWith("bc2")||t.startsWith("bc3")||t.startsWith("bc5")||t.startsWith("bc6h")||t.startsWith("bc7")||t.startsWith("etc2-rgba8")||t.startsWith("eac-rg11")||t.startsWith("astc")||t==="atc-rgba-unorm-webgl"||t==="atc-rgbai-unorm-webgl"?16:t.startsWith("pvrtc")?8:16}var PL,TL,AL,LL,CL,Yd,Fe,Bc=b(()=>{Mc();Hd();PL=/^(r|rg|rgb|rgba|bgra)([0-9]*)([a-z]*)(-srgb)?(-webgl)?$/,TL=["rgb","rgba","bgra"],AL=["depth","stencil"],LL=5,CL=["bc1","bc2","bc3","bc4","bc5","bc6","bc7","etc1","etc2","eac","atc","astc","pvrtc"],Yd=class{isColor(e){return TL.some(r=>e.startsWith(r))}isDepthStencil(e){return AL.some(r=>e.startsWith(r))}isCompressed(e){return CL.some(r=>e.startsWith(r))}getInfo(e){return dx(e)}getCapabilities(e){return IL(e)}getWebGPUCapabilities(e){let r=Oc(e);return r.webgpu!==void 0?r.webgpu:this.isCompressed(e)&&!e.endsWith("-webgl")?LL:0}computeMemoryLayout(e){return ML(e)}},Fe=new Yd});function hx(t){return typeof ImageData<"u"&&t instanceof ImageData||typeof ImageBitmap<"u"&&t instanceof ImageBitmap||typeof HTMLImageElement<"u"&&t instanceof HTMLImageElement||typeof HTMLVideoElement<"u"&&t instanceof HTMLVideoElement||typeof VideoFrame<"u"&&t instanceof VideoFrame||typeof HTMLCanvasElement<"u"&&t instanceof HTMLCanvasElement||typeof OffscreenCanvas<"u"&&t instanceof OffscreenCanvas}function px(t){if(typeof ImageData<"u"&&t instanceof ImageData||typeof ImageBitmap<"u"&&t instanceof ImageBitmap||typeof HTMLCanvasElement<"u"&&t instanceof HTMLCanvasElement||typeof OffscreenCanvas<"u"&&t instanceof OffscreenCanvas)return{width:t.width,height:t.height};if(typeof HTMLImageElement<"u"&&t instanceof HTMLImageElement)return{width:t.naturalWidth,height:t.naturalHeight};if(typeof HTMLVideoElement<"u"&&t instanceof HTMLVideoElement)return{width:t.videoWidth,height:t.videoHeight};if(typeof VideoFrame<"u"&&t instanceof VideoFrame)return{width:t.displayWidth,height:t.displayHeight};throw new Error("Unknown image type")}var mx=b(()=>{});function BL(t,e){let r=qd(t),n=e.map(qd).filter(i=>i!==void 0);return[r,...n].filter(i=>i!==void 0)}function qd(t){if(t!==void 0){if(t===null||typeof t=="string"||typeof t=="number"||typeof t=="boolean")return t;if(t instanceof Error)return t.message;if(Array.isArray(t))return t.map(qd);if(typeof t=="object"){if(DL(t)){let e=String(t);if(e!=="[object Object]")return e}return NL(t)?FL(t):t.constructor?.name||"Object"}return String(t)}}function DL(t){return"toString"in t&&typeof t.toString=="function"&&t.toString!==Object.prototype.toString}function NL(t){return"message"in t&&"type"in t}function FL(t){let e=typeof t.type=="string"?t.type:"message",r=typeof t.message=="string"?t.message:"",n=typeof t.lineNum=="number"?t.lineNum:null,i=typeof t.linePos=="number"?t.linePos:null,s=n!==null&&i!==null?` @ ${n}:${i}`:n!==null?` @ ${n}`:"";return`${e}${s}: ${r}`.trim()}function Xd(){if(typeof HTMLCanvasElement>"u")return!1;let t=HTMLCanvasElement.prototype;return"layoutSubtree"in t&&typeof t.requestPaint=="function"}var Gs,Vs,cr,gx=b(()=>{Od();Ne();pi();Ac();$s();Bc();mx();Hd();Rd();Gs=class{};Vs=class{features;disabledFeatures;constructor(e=[],r){this.features=new Set(e),this.disabledFeatures=r||{}}*[Symbol.iterator](){yield*this.features}has(e){return!this.disabledFeatures?.[e]&&this.features.has(e)}};cr=class t{static defaultProps={...Sc};get[Symbol.toStringTag](){return"Device"}toString(){return`Device(${this.id})`}toJSON(){return this.toString()}id;props;userData={};statsManager=Pc;_factories={};timestamp=0;_reused=!1;_moduleData={};wgslLanguageFeatures=new Set;_textureCaps={};_debugGPUTimeQuery=null;constructor(e){this.props={...t.defaultProps,...e},this.id=this.props.id||Ft(this[Symbol.toStringTag].toLowerCase())}getVertexFormatInfo(e){return re.getVertexFormatInfo(e)}isVertexFormatSupported(e){return!0}getTextureFormatInfo(e){return Fe.getInfo(e)}getTextureFormatCapabilities(e){let r=this._textureCaps[e];if(!r){let n=this._getDeviceTextureFormatCapabilities(e);r=this._getDeviceSpecificTextureFormatCapabilities(n),this._textureCaps[e]=r}return r}getMipLevelCount(e,r,n=1){let i=Math.max(e,r,n);return 1+Math.floor(Math.log2(i))}isExternalImage(e){return hx(e)}getExternalImageSize(e){return px(e)}isTextureFormatSupported(e){return this.getTextureFormatCapabilities(e).create}isTextureFormatFilterable(e){return this.getTextureFormatCapabilities(e).filter}isTextureFormatRenderable(e){return this.getTextureFormatCapabilities(e).render}isTextureFormatCompressed(e){return Fe.isCompressed(e)}getSupportedCompressedTextureFormats(){let e=[];for(let r of Object.keys(fx()))this.isTextureFormatCompressed(r)&&this.isTextureFormatSupported(r)&&e.push(r);return e}pushDebugGroup(e){this.commandEncoder.pushDebugGroup(e)}popDebugGroup(){this.commandEncoder?.popDebugGroup()}insertDebugMarker(e){this.commandEncoder?.insertDebugMarker(e)}loseDevice(){return!1}incrementTimestamp(){return this.timestamp++}reportError(e,r,...n){if(!this.props.onError(e,r)){let s=BL(r,n);return P.error(this.type==="webgl"?"%cWebGL":"%cWebGPU","color: white; background: red; padding: 2px 6px; border-radius: 3px;",e.message,...s)}return()=>{}}debug(){if(this.props.debug)debugger;else P.once(0,`'Type luma.log.set({debug: true}) in console to enable debug breakpoints',
or create a device with the 'debug: true' prop.`)()}getDefaultCanvasContext(){if(!this.canvasContext)throw new Error("Device has no default CanvasContext. See props.createCanvasContext");return this.canvasContext}createFence(){throw new Error("createFence() not implemented")}beginRenderPass(e){return this.commandEncoder.beginRenderPass(e)}beginComputePass(e){return this.commandEncoder.beginComputePass(e)}writeBufferViaCommandEncoder(e,r,n,i=0){throw new Error("writeBufferViaCommandEncoder() not implemented")}generateMipmapsWebGPU(e){throw new Error("not implemented")}_createSharedRenderPipelineWebGL(e){throw new Error("_createSharedRenderPipelineWebGL() not implemented")}_createBindGroupLayoutWebGPU(e,r){throw new Error("_createBindGroupLayoutWebGPU() not implemented")}_createBindGroupWebGPU(e,r,n,i,s){throw new Error("_createBindGroupWebGPU() not implemented")}_supportsDebugGPUTime(){return this.features.has("timestamp-query")&&!!(this.props.debug||this.props.debugGPUTime)}_enableDebugGPUTime(e=256){if(!this._supportsDebugGPUTime())return null;if(this._debugGPUTimeQuery)return this._debugGPUTimeQuery;try{this._debugGPUTimeQuery=this.createQuerySet({type:"timestamp",count:e}),this.commandEncoder=this.createCommandEncoder({id:this.commandEncoder.props.id,timeProfilingQuerySet:this._debugGPUTimeQuery})}catch{this._debugGPUTimeQuery=null}return this._debugGPUTimeQuery}_disableDebugGPUTime(){this._debugGPUTimeQuery&&(this.commandEncoder.getTimeProfilingQuerySet()===this._debugGPUTimeQuery&&(this.commandEncoder=this.createCommandEncoder({id:this.commandEncoder.props.id})),this._debugGPUTimeQuery.destroy(),this._debugGPUTimeQuery=null)}_isDebugGPUTimeEnabled(){return this._debugGPUTimeQuery!==null}getCanvasContext(){return this.getDefaultCanvasContext()}readPixelsToArrayWebGL(e,r){throw new Error("not implemented")}readPixelsToBufferWebGL(e,r){throw new Error("not implemented")}setParametersWebGL(e){throw new Error("not implemented")}getParametersWebGL(e){throw new Error("not implemented")}withParametersWebGL(e,r){throw new Error("not implemented")}clearWebGL(e){throw new Error("not implemented")}resetWebGL(){throw new Error("not implemented")}getModuleData(e){return this._moduleData[e]||={},this._moduleData[e]}static _getCanvasContextProps(e){return e.createCanvasContext===!0?{}:e.createCanvasContext}_getDeviceTextureFormatCapabilities(e){let r=Fe.getCapabilities(e),n=s=>(typeof s=="string"?this.features.has(s):s)??!0,i=n(r.create);return{format:e,create:i,render:i&&n(r.render),filter:i&&n(r.filter),blend:i&&n(r.blend),store:i&&n(r.store)}}_normalizeBufferProps(e){(e instanceof ArrayBuffer||ArrayBuffer.isView(e))&&(e={data:e});let r={...e};if((e.usage||0)&U.INDEX&&(e.indexType||(e.data instanceof Uint32Array?r.indexType="uint32":e.data instanceof Uint16Array?r.indexType="uint16":e.data instanceof Uint8Array&&(r.data=new Uint16Array(e.data),r.indexType="uint16")),!r.indexType))throw new Error("indices buffer content must be of type uint16 or uint32");return r}}});var Dc,yx=b(()=>{Dc=class{props;_resizeObserver;_intersectionObserver;_observeDevicePixelRatioTimeout=null;_observeDevicePixelRatioMediaQuery=null;_handleDevicePixelRatioChange=()=>this._refreshDevicePixelRatio();_trackPositionInterval=null;_started=!1;get started(){return this._started}constructor(e){this.props=e}start(){if(this._started||!this.props.canvas)return;this._started=!0,this._intersectionObserver||=new IntersectionObserver(r=>this.props.onIntersection(r)),this._resizeObserver||=new ResizeObserver(r=>this.props.onResize(r)),this._intersectionObserver.observe(this.props.canvas);let e=this.props.resizeObserverBox;try{this._resizeObserver.observe(this.props.canvas,{box:e})}catch{this._resizeObserver.observe(this.props.canvas,{box:"content-box"})}this._observeDevicePixelRatioTimeout=setTimeout(()=>this._refreshDevicePixelRatio(),0),this.props.trackPosition&&this._trackPosition()}stop(){this._started&&(this._started=!1,this._observeDevicePixelRatioTimeout&&(clearTimeout(this._observeDevicePixelRatioTimeout),this._observeDevicePixelRatioTimeout=null),this._observeDevicePixelRatioMediaQuery&&(this._observeDevicePixelRatioMediaQuery.removeEventListener("change",this._handleDevicePixelRatioChange),this._observeDevicePixelRatioMediaQuery=null),this._trackPositionInterval&&(clearInterval(this._trackPositionInterval),this._trackPositionInterval=null),this._resizeObserver?.disconnect(),this._intersectionObserver?.disconnect())}_refreshDevicePixelRatio(){this._started&&(this.props.onDevicePixelRatioChange(),this._observeDevicePixelRatioMediaQuery?.removeEventListener("change",this._handleDevicePixelRatioChange),this._observeDevicePixelRatioMediaQuery=matchMedia(`(resolution: ${window.devicePixelRatio}dppx)`),this._observeDevicePixelRatioMediaQuery.addEventListener("change",this._handleDevicePixelRatioChange,{once:!0}))}_trackPosition(e=100){this._trackPositionInterval||(this._trackPositionInterval=setInterval(()=>{this._started?this.props.onPositionChange():this._trackPositionInterval&&(clearInterval(this._trackPositionInterval),this._trackPositionInterval=null)},e))}}});function _x(){let t,e;return{promise:new Promise((n,i)=>{t=n,e=i}),resolve:t,reject:e}}var xx=b(()=>{});function Ar(t,e){if(!t){let r=new Error(e??"luma.gl assertion failed.");throw Error.captureStackTrace?.(r,Ar),r}}function Lr(t,e){return Ar(t,e),t}var Zd=b(()=>{});function zL(t){if(typeof t=="string"){let e=document.getElementById(t);if(!e)throw new Error(`${t} is not an HTML element`);return e}return t||document.body}function UL(t){let e=document.getElementById(t);if(!Cr.isHTMLCanvas(e))throw new Error("Object is not a canvas element");return e}function $L(t){let{width:e,height:r}=t,n=document.createElement("canvas");n.id=Ft("lumagl-auto-created-canvas"),n.width=e||1,n.height=r||1,n.style.width=Number.isFinite(e)?`${e}px`:"100%",n.style.height=Number.isFinite(r)?`${r}px`:"100%",t?.visible||(n.style.visibility="hidden");let i=zL(t?.container||null);return i.insertBefore(n,i.firstChild),n}function GL(t,e,r,n,i){let s=t,o=bx(s[0],e,r),a=wx(s[1],e,n,i),c=bx(s[0]+1,e,r),l=c===r-1?c:c-1;c=wx(s[1]+1,e,n,i);let f;return i?(c=c===0?c:c+1,f=a,a=c):f=c===n-1?c:c-1,{x:o,y:a,width:Math.max(l-o+1,1),height:Math.max(f-a+1,1)}}function bx(t,e,r){return Math.min(Math.round(t*e),r-1)}function wx(t,e,r,n){return n?Math.max(0,r-1-Math.round(t*e)):Math.min(Math.round(t*e),r-1)}var Cr,Kd=b(()=>{en();yx();pi();xx();Zd();Cr=class t{static isHTMLCanvas(e){return typeof HTMLCanvasElement<"u"&&e instanceof HTMLCanvasElement}static isOffscreenCanvas(e){return typeof OffscreenCanvas<"u"&&e instanceof OffscreenCanvas}static defaultProps={id:void 0,canvas:null,width:800,height:600,useDevicePixels:!0,pixelSizeSource:"exact",autoResize:!0,container:null,visible:!0,alphaMode:"opaque",colorSpace:"srgb",colorFormat:void 0,toneMapping:"standard",trackPosition:!1};id;props;canvas;htmlCanvas;offscreenCanvas;type;initialized;isInitialized=!1;isVisible=!0;cssWidth;cssHeight;devicePixelRatio;devicePixelWidth;devicePixelHeight;drawingBufferWidth;drawingBufferHeight;_initializedResolvers=_x();_canvasObserver;_position=[0,0];destroyed=!1;_needsDrawingBufferResize=!0;_configuredDrawingBufferSize=[0,0];toString(){return`${this[Symbol.toStringTag]}(${this.id})`}constructor(e){this.props={...t.defaultProps,...e},e=this.props,this.initialized=this._initializedResolvers.promise,Xe()?e.canvas?typeof e.canvas=="string"?this.canvas=UL(e.canvas):this.canvas=e.canvas:this.canvas=$L(e):this.canvas={width:e.width||1,height:e.height||1},t.isHTMLCanvas(this.canvas)?(this.id=e.id||this.canvas.id,this.type="html-canvas",this.htmlCanvas=this.canvas):t.isOffscreenCanvas(this.canvas)?(this.id=e.id||"offscreen-canvas",this.type="offscreen-canvas",this.offscreenCanvas=this.canvas):(this.id=e.id||"node-canvas-context",this.type="node"),this.cssWidth=this.htmlCanvas?.clientWidth||this.canvas.width,this.cssHeight=this.htmlCanvas?.clientHeight||this.canvas.height,this.devicePixelWidth=this.canvas.width,this.devicePixelHeight=this.canvas.height,this.drawingBufferWidth=this.canvas.width,this.drawingBufferHeight=this.canvas.height,this._configuredDrawingBufferSize=[this.canvas.width,this.canvas.height],this.devicePixelRatio=globalThis.devicePixelRatio||1,this._position=[0,0],this._canvasObserver=new Dc({canvas:this.htmlCanvas,trackPosition:this.props.trackPosition,resizeObserverBox:this.props.pixelSizeSource==="css-dpr"?"content-box":"device-pixel-content-box",onResize:r=>this._handleResize(r),onIntersection:r=>this._handleIntersection(r),onDevicePixelRatioChange:()=>this._observeDevicePixelRatio(),onPositionChange:()=>this.updatePosition()})}destroy(){this.destroyed||(this.destroyed=!0,this._stopObservers(),this.device=null)}setProps(e){return"useDevicePixels"in e&&(this.props.useDevicePixels=e.useDevicePixels||!1,this._updateDrawingBufferSize()),this}getCurrentFramebuffer(e){return this._resizeDrawingBufferIfNeeded(),this._getCurrentFramebuffer(e)}getCSSSize(){return[this.cssWidth,this.cssHeight]}getPosition(){return this._position}getDevicePixelSize(){return[this.devicePixelWidth,this.devicePixelHeight]}getDrawingBufferSize(){return[this.drawingBufferWidth,this.drawingBufferHeight]}getMaxDrawingBufferSize(){let e=this.device.limits.maxTextureDimension2D;return[e,e]}setDrawingBufferSize(e,r){e=Math.floor(e),r=Math.floor(r),!(this.drawingBufferWidth===e&&this.drawingBufferHeight===r)&&(this.drawingBufferWidth=e,this.drawingBufferHeight=r,this._needsDrawingBufferResize=!0)}getDevicePixelRatio(){return typeof window<"u"&&window.devicePixelRatio||1}cssToDevicePixels(e,r=!0){let n=this.cssToDeviceRatio(),[i,s]=this.getDrawingBufferSize();return GL(e,n,i,s,r)}getPixelSize(){return this.getDevicePixelSize()}getAspect(){let[e,r]=this.getDrawingBufferSize();return e>0&&r>0?e/r:1}cssToDeviceRatio(){try{let[e]=this.getDrawingBufferSize(),[r]=this.getCSSSize();return r?e/r:1}catch{return 1}}resize(e){this.setDrawingBufferSize(e.width,e.height)}_setAutoCreatedCanvasId(e){this.htmlCanvas?.id==="lumagl-auto-created-canvas"&&(this.htmlCanvas.id=e)}_startObservers(){this.destroyed||this._canvasObserver.start()}_stopObservers(){this._canvasObserver.stop()}_handleIntersection(e){if(this.destroyed)return;let r=e.find(i=>i.target===this.canvas);if(!r)return;let n=r.isIntersecting;this.isVisible!==n&&(this.isVisible=n,this.device.props.onVisibilityChange(this))}_handleResize(e){if(this.destroyed)return;let r=e.find(s=>s.target===this.canvas);if(!r)return;let n=Lr(r.contentBoxSize?.[0]);this.cssWidth=n.inlineSize,this.cssHeight=n.blockSize;let i=this.getDevicePixelSize();this._setDevicePixelSize(this._getDevicePixelSizeFromResizeEntry(r)),this._updateDrawingBufferSize(),this.device.props.onResize(this,{oldPixelSize:i})}_updateDrawingBufferSize(){if(this.props.autoResize)if(typeof this.props.useDevicePixels=="number"){let e=this.props.useDevicePixels;this.setDrawingBufferSize(this.cssWidth*e,this.cssHeight*e)}else this.props.useDevicePixels?this.setDrawingBufferSize(this.devicePixelWidth,this.devicePixelHeight):this.setDrawingBufferSize(this.cssWidth,this.cssHeight);this._initializedResolvers.resolve(),this.isInitialized=!0,this.updatePosition()}_getDevicePixelSizeFromResizeEntry(e){let r=Lr(e.contentBoxSize?.[0]);return this.props.pixelSizeSource==="css-dpr"?this._getDevicePixelSizeFromCSSSize(r.inlineSize,r.blockSize):{devicePixelWidth:e.devicePixelContentBoxSize?.[0]?.inlineSize||r.inlineSize*devicePixelRatio,devicePixelHeight:e.devicePixelContentBoxSize?.[0]?.blockSize||r.blockSize*devicePixelRatio}}_getDevicePixelSizeFromCSSSize(e,r){let n=this.getDevicePixelRatio();return{devicePixelWidth:Math.floor(e*n),devicePixelHeight:Math.floor(r*n)}}_setDevicePixelSize({devicePixelWidth:e,devicePixelHeight:r}){let[n,i]=this.getMaxDrawingBufferSize();this.devicePixelWidth=Math.max(1,Math.min(e,n)),this.devicePixelHeight=Math.max(1,Math.min(r,i))}_resizeDrawingBufferIfNeeded(){if(this._needsDrawingBufferResize){this._needsDrawingBufferResize=!1,(this.drawingBufferWidth!==this.canvas.width||this.drawingBufferHeight!==this.canvas.height)&&(this.canvas.width=this.drawingBufferWidth,this.canvas.height=this.drawingBufferHeight);let[r,n]=this._configuredDrawingBufferSize;(this.drawingBufferWidth!==r||this.drawingBufferHeight!==n)&&(this._configureDevice(),this._configuredDrawingBufferSize=[this.drawingBufferWidth,this.drawingBufferHeight])}}_observeDevicePixelRatio(){if(this.destroyed||!this._canvasObserver.started)return;let e=this.devicePixelRatio;if(this.devicePixelRatio=window.devicePixelRatio,this.props.pixelSizeSource==="css-dpr"){let r=this.getDevicePixelSize();this._setDevicePixelSize(this._getDevicePixelSizeFromCSSSize(this.cssWidth,this.cssHeight)),this._updateDrawingBufferSize(),this.device.props.onResize(this,{oldPixelSize:r})}this.updatePosition(),this.device.props.onDevicePixelRatioChange?.(this,{oldRatio:e})}updatePosition(){if(this.destroyed)return;let e=this.htmlCanvas?.getBoundingClientRect();if(e){let r=[e.left,e.top];if(this._position??=r,r[0]!==this._position[0]||r[1]!==this._position[1]){let i=this._position;this._position=r,this.device.props.onPositionChange?.(this,{oldPosition:i})}}}}});var Ws,vx=b(()=>{Kd();Ws=class extends Cr{static defaultProps=Cr.defaultProps}});var js,Ex=b(()=>{Kd();js=class extends Cr{}});var fn,Qd=b(()=>{ge();fn=class t extends F{static defaultProps={...F.defaultProps,type:"color-sampler",addressModeU:"clamp-to-edge",addressModeV:"clamp-to-edge",addressModeW:"clamp-to-edge",magFilter:"nearest",minFilter:"nearest",mipmapFilter:"none",lodMinClamp:0,lodMaxClamp:32,compare:"less-equal",maxAnisotropy:1};get[Symbol.toStringTag](){return"Sampler"}constructor(e,r){r=t.normalizeProps(e,r),super(e,r,t.defaultProps)}static normalizeProps(e,r){return r}}});var VL,q,Jd=b(()=>{ge();Qd();Ne();Bc();VL={"1d":"1d","2d":"2d","2d-array":"2d",cube:"2d","cube-array":"2d","3d":"3d"},q=class t extends F{static SAMPLE=4;static STORAGE=8;static RENDER=16;static COPY_SRC=1;static COPY_DST=2;static TEXTURE=4;static RENDER_ATTACHMENT=16;dimension;baseDimension;format;width;height;depth;mipLevels;samples;byteAlignment;ready=Promise.resolve(this);isReady=!0;updateTimestamp;get[Symbol.toStringTag](){return"Texture"}toString(){return`Texture(${this.id},${this.format},${this.width}x${this.height})`}constructor(e,r,n){if(r=t.normalizeProps(e,r),super(e,r,t.defaultProps),this.dimension=this.props.dimension,this.baseDimension=VL[this.dimension],this.format=this.props.format,this.width=this.props.width,this.height=this.props.height,this.depth=this.props.depth,this.mipLevels=this.props.mipLevels,this.samples=this.props.samples||1,this.dimension==="cube"&&(this.depth=6),this.props.width===void 0||this.props.height===void 0)if(e.isExternalImage(r.data)){let i=e.getExternalImageSize(r.data);this.width=i?.width||1,this.height=i?.height||1}else this.width=1,this.height=1,(this.props.width===void 0||this.props.height===void 0)&&P.warn(`${this} created with undefined width or height. This is deprecated. Use DynamicTexture instead.`)();this.byteAlignment=n?.byteAlignment||1,this.updateTimestamp=e.incrementTimestamp()}clone(e){return this.device.createTexture({...this.props,...e})}setSampler(e){this.sampler=e instanceof fn?e:this.device.createSampler(e)}copyImageData(e){let{data:r,depth:n,...i}=e;this.writeData(r,{...i,depthOrArrayLayers:i.depthOrArrayLayers??n})}computeMemoryLayout(e={}){let r=this._normalizeTextureReadOptions(e),{width:n=this.width,height:i=this.height,depthOrArrayLayers:s=this.depth}=r,{format:o,byteAlignment:a}=this;return Fe.computeMemoryLayout({format:o,width:n,height:i,depth:s,byteAlignment:a})}readBuffer(e,r){throw new Error("readBuffer not implemented")}readDataAsync(e){throw new Error("readBuffer not implemented")}writeBuffer(e,r){throw new Error("readBuffer not implemented")}writeData(e,r){throw new Error("readBuffer not implemented")}readDataSyncWebGL(e){throw new Error("readDataSyncWebGL not available")}generateMipmapsWebGL(){throw new Error("generateMipmapsWebGL not available")}static normalizeProps(e,r){let n={...r},{width:i,height:s}=n;return typeof i=="number"&&(n.width=Math.max(1,Math.ceil(i))),typeof s=="number"&&(n.height=Math.max(1,Math.ceil(s))),n}_initializeData(e){this.device.isExternalImage(e)?this.copyExternalImage({image:e,width:this.width,height:this.height,depth:this.depth,mipLevel:0,x:0,y:0,z:0,aspect:"all",colorSpace:"srgb",premultipliedAlpha:!1,flipY:!1}):e&&this.copyImageData({data:e,mipLevel:0,x:0,y:0,z:0,aspect:"all"})}_normalizeCopyImageDataOptions(e){let{data:r,depth:n,...i}=e,s=this._normalizeTextureWriteOptions({...i,depthOrArrayLayers:i.depthOrArrayLayers??n});return{data:r,depth:s.depthOrArrayLayers,...s}}_normalizeCopyExternalImageOptions(e){let r=t._omitUndefined(e),n=r.mipLevel??0,i=this._getMipLevelSize(n),s=this.device.getExternalImageSize(e.image),o={...t.defaultCopyExternalImageOptions,...i,...s,...r};return o.width=Math.min(o.width,i.width-o.x),o.height=Math.min(o.height,i.height-o.y),o.depth=Math.min(o.depth,i.depthOrArrayLayers-o.z),o}_normalizeCopyElementImageOptions(e){let r=t._omitUndefined(e),n=r.mipLevel??0,i=this._getMipLevelSize(n),s={...t.defaultCopyElementImageOptions,...i,...r};return s.width=Math.min(s.width,i.width-s.x),s.height=Math.min(s.height,i.height-s.y),s.depth=Math.min(s.depth,i.depthOrArrayLayers-s.z),s}_normalizeTextureReadOptions(e){let r=t._omitUndefined(e),n=r.mipLevel??0,i=this._getMipLevelSize(n),s={...t.defaultTextureReadOptions,...i,...r};return s.width=Math.min(s.width,i.width-s.x),s.height=Math.min(s.height,i.height-s.y),s.depthOrArrayLayers=Math.min(s.depthOrArrayLayers,i.depthOrArrayLayers-s.z),s}_getSupportedColorReadOptions(e){let r=this._normalizeTextureReadOptions(e),n=Fe.getInfo(this.format);switch(this._validateColorReadAspect(r),this._validateColorReadFormat(n),this.dimension){case"2d":case"cube":case"cube-array":case"2d-array":case"3d":return r;default:throw new Error(`${this} color readback does not support ${this.dimension} textures`)}}_validateColorReadAspect(e){if(e.aspect!=="all")throw new Error(`${this} color readback only supports aspect 'all'`)}_validateColorReadFormat(e){if(e.compressed)throw new Error(`${this} color readback does not support compressed formats (${this.format})`);switch(e.attachment){case"color":return;case"depth":throw new Error(`${this} color readback does not support depth formats (${this.format})`);case"stencil":throw new Error(`${this} color readback does not support stencil formats (${this.format})`);case"depth-stencil":throw new Error(`${this} color readback does not support depth-stencil formats (${this.format})`);default:throw new Error(`${this} color readback does not support format ${this.format}`)}}_normalizeTextureWriteOptions(e){let r=t._omitUndefined(e),n=r.mipLevel??0,i=this._getMipLevelSize(n),s={...t.defaultTextureWriteOptions,...i,...r};s.width=Math.min(s.width,i.width-s.x),s.height=Math.min(s.height,i.height-s.y),s.depthOrArrayLayers=Math.min(s.depthOrArrayLayers,i.depthOrArrayLayers-s.z);let o=Fe.computeMemoryLayout({format:this.format,width:s.width,height:s.height,depth:s.depthOrArrayLayers,byteAlignment:this.byteAlignment}),a=o.bytesPerPixel*s.width;if(s.bytesPerRow=r.bytesPerRow??o.bytesPerRow,s.rowsPerImage=r.rowsPerImage??s.height,s.bytesPerRow<a)throw new Error(`bytesPerRow (${s.bytesPerRow}) must be at least ${a} for ${this.format}`);if(s.rowsPerImage<s.height)throw new Error(`rowsPerImage (${s.rowsPerImage}) must be at least ${s.height} for ${this.format}`);let c=this.device.getTextureFormatInfo(this.format).bytesPerPixel;if(c&&s.bytesPerRow%c!==0)throw new Error(`bytesPerRow (${s.bytesPerRow}) must be a multiple of bytesPerPixel (${c}) for ${this.format}`);return s}_getMipLevelSize(e){let r=Math.max(1,this.width>>e),n=this.baseDimension==="1d"?1:Math.max(1,this.height>>e),i=this.dimension==="3d"?Math.max(1,this.depth>>e):this.depth;return{width:r,height:n,depthOrArrayLayers:i}}getAllocatedByteLength(){let e=0;for(let r=0;r<this.mipLevels;r++){let{width:n,height:i,depthOrArrayLayers:s}=this._getMipLevelSize(r);e+=Fe.computeMemoryLayout({format:this.format,width:n,height:i,depth:s,byteAlignment:1}).byteLength}return e*this.samples}static _omitUndefined(e){return Object.fromEntries(Object.entries(e).filter(([,r])=>r!==void 0))}static defaultProps={...F.defaultProps,data:null,dimension:"2d",format:"rgba8unorm",usage:t.SAMPLE|t.RENDER|t.COPY_DST,width:void 0,height:void 0,depth:1,mipLevels:1,samples:void 0,sampler:{},view:void 0};static defaultCopyDataOptions={data:void 0,byteOffset:0,bytesPerRow:void 0,rowsPerImage:void 0,width:void 0,height:void 0,depthOrArrayLayers:void 0,depth:1,mipLevel:0,x:0,y:0,z:0,aspect:"all"};static defaultCopyExternalImageOptions={image:void 0,sourceX:0,sourceY:0,width:void 0,height:void 0,depth:1,mipLevel:0,x:0,y:0,z:0,aspect:"all",colorSpace:"srgb",premultipliedAlpha:!1,flipY:!1};static defaultCopyElementImageOptions={element:void 0,width:void 0,height:void 0,sourceX:0,sourceY:0,sourceWidth:void 0,sourceHeight:void 0,depth:1,mipLevel:0,x:0,y:0,z:0,aspect:"all",colorSpace:"srgb",premultipliedAlpha:!1,flipY:!1};static defaultTextureReadOptions={x:0,y:0,z:0,width:void 0,height:void 0,depthOrArrayLayers:1,mipLevel:0,aspect:"all"};static defaultTextureWriteOptions={byteOffset:0,bytesPerRow:void 0,rowsPerImage:void 0,x:0,y:0,z:0,width:void 0,height:void 0,depthOrArrayLayers:1,mipLevel:0,aspect:"all"}}});var un,Sx=b(()=>{ge();un=class t extends F{get[Symbol.toStringTag](){return"TextureView"}constructor(e,r){super(e,r,t.defaultProps)}static defaultProps={...F.defaultProps,format:void 0,dimension:void 0,aspect:"all",baseMipLevel:0,mipLevelCount:void 0,baseArrayLayer:0,arrayLayerCount:void 0}}});var Hs,Px=b(()=>{ge();Hs=class t extends F{width;height;updateTimestamp;get[Symbol.toStringTag](){return"ExternalTexture"}constructor(e,r){super(e,r,t.defaultProps);let n=this.props.source?e.getExternalImageSize(this.props.source):null;this.width=this.props.width||n?.width||0,this.height=this.props.height||n?.height||0,this.updateTimestamp=e.incrementTimestamp()}static defaultProps={...F.defaultProps,source:void 0,width:0,height:0,colorSpace:"srgb",sampler:{}}}});function Tx(t,e,r){let n="",i=e.split(/\r?\n/),s=t.slice().sort((o,a)=>o.lineNum-a.lineNum);switch(r?.showSourceCode||"no"){case"all":let o=0;for(let a=1;a<=i.length;a++){let c=i[a-1],l=s[o];for(c&&l&&(n+=Ax(c,a,r));s.length>o&&l.lineNum===a;){let f=s[o++];f&&(n+=eh(f,i,f.lineNum,{...r,inlineSource:!1}))}}for(;s.length>o;){let a=s[o++];a&&(n+=eh(a,[],0,{...r,inlineSource:!1}))}return n;case"issues":case"no":for(let a of t)n+=eh(a,i,a.lineNum,{inlineSource:r?.showSourceCode!=="no"});return n}}function eh(t,e,r,n){if(n?.inlineSource){let s=WL(e,r),o=t.linePos>0?`${" ".repeat(t.linePos+5)}^^^
`:"";return`
${s}${o}${t.type.toUpperCase()}: ${t.message}

`}let i=t.type==="error"?"red":"orange";return n?.html?`<div class='luma-compiler-log-${t.type}' style="color:${i};"><b> ${t.type.toUpperCase()}: ${t.message}</b></div>`:`${t.type.toUpperCase()}: ${t.message}`}function WL(t,e,r){let n="";for(let i=e-2;i<=e;i++){let s=t[i-1];s!==void 0&&(n+=Ax(s,e,r))}return n}function Ax(t,e,r){let n=r?.html?HL(t):t;return`${jL(String(e),4)}: ${n}${r?.html?"<br/>":`
`}`}function jL(t,e){let r="";for(let n=t.length;n<e;++n)r+=" ";return r+t}function HL(t){return t.replaceAll("&","&amp;").replaceAll("<","&lt;").replaceAll(">","&gt;").replaceAll('"',"&quot;").replaceAll("'","&#039;")}var Lx=b(()=>{});function YL(t){return qL(t.source)||t.id||Ft(`unnamed ${t.stage}-shader`)}function qL(t,e="unnamed"){return/#define[\s*]SHADER_NAME[\s*]([A-Za-z0-9_-]+)[\s*]/.exec(t)?.[1]??e}var dn,th=b(()=>{ge();Ne();pi();Lx();dn=class t extends F{get[Symbol.toStringTag](){return"Shader"}stage;source;compilationStatus="pending";constructor(e,r){r={...r,debugShaders:r.debugShaders||e.props.debugShaders||"errors"},super(e,{id:YL(r),...r},t.defaultProps),this.stage=this.props.stage,this.source=this.props.source}getCompilationInfoSync(){return null}getTranslatedSource(){return null}async debugShader(){let e=this.props.debugShaders;switch(e){case"never":return;case"errors":if(this.compilationStatus==="success")return;break;case"warnings":case"always":break}try{let r=await this.getCompilationInfo();if(e==="warnings"&&r?.length===0)return;this._displayShaderLog(r,this.id)}catch(r){P.warn(`Shader ${this.id}: failed to fetch compilation info during debug logging`,r)()}}_displayShaderLog(e,r){if(typeof document>"u"||!document?.createElement)return;let n=r,i=`${this.stage} shader "${n}"`,s=Tx(e,this.source,{showSourceCode:"all",html:!0}),o=this.getTranslatedSource(),a=document.createElement("div");a.innerHTML=`<h1>Compilation error in ${i}</h1>
<div style="display:flex;position:fixed;top:10px;right:20px;gap:2px;">
<button id="copy">Copy source</button><br/>
<button id="close">Close</button>
</div>
<code><pre>${s}</pre></code>`,o&&(a.innerHTML+=`<br /><h1>Translated Source</h1><br /><br /><code><pre>${o}</pre></code>`),a.style.top="0",a.style.left="0",a.style.background="white",a.style.position="fixed",a.style.zIndex="9999",a.style.maxWidth="100vw",a.style.maxHeight="100vh",a.style.overflowY="auto",document.body.appendChild(a),a.querySelector(".luma-compiler-log-error")?.scrollIntoView(),a.querySelector("button#close").onclick=()=>{a.remove()},a.querySelector("button#copy").onclick=()=>{navigator.clipboard.writeText(this.source)}}static defaultProps={...F.defaultProps,language:"auto",stage:void 0,source:"",sourceMap:null,entryPoint:"main",debugShaders:void 0}}});var hn,Cx=b(()=>{ge();Jd();Ne();hn=class t extends F{get[Symbol.toStringTag](){return"Framebuffer"}width;height;constructor(e,r={}){super(e,r,t.defaultProps),this.width=this.props.width,this.height=this.props.height}clone(e){let r=this.colorAttachments.map(i=>i.texture.clone(e)),n=this.depthStencilAttachment&&this.depthStencilAttachment.texture.clone(e);return this.device.createFramebuffer({...this.props,...e,colorAttachments:r,depthStencilAttachment:n})}resize(e){let r=!e;if(e){let[n,i]=Array.isArray(e)?e:[e.width,e.height];r=r||i!==this.height||n!==this.width,this.width=n,this.height=i}r&&(P.log(2,`Resizing framebuffer ${this.id} to ${this.width}x${this.height}`)(),this.resizeAttachments(this.width,this.height))}autoCreateAttachmentTextures(){if(this.props.colorAttachments.length===0&&!this.props.depthStencilAttachment)throw new Error("Framebuffer has noattachments");this.colorAttachments=this.props.colorAttachments.map((r,n)=>{if(typeof r=="string"){let i=this.createColorTexture(r,n);return this.attachResource(i),i.view}return r instanceof q?r.view:r});let e=this.props.depthStencilAttachment;if(e)if(typeof e=="string"){let r=this.createDepthStencilTexture(e);this.attachResource(r),this.depthStencilAttachment=r.view}else e instanceof q?this.depthStencilAttachment=e.view:this.depthStencilAttachment=e}createColorTexture(e,r){return this.device.createTexture({id:`${this.id}-color-attachment-${r}`,usage:q.RENDER_ATTACHMENT,format:e,width:this.width,height:this.height,sampler:{magFilter:"linear",minFilter:"linear"}})}createDepthStencilTexture(e){return this.device.createTexture({id:`${this.id}-depth-stencil-attachment`,usage:q.RENDER_ATTACHMENT|q.SAMPLE,format:e,width:this.width,height:this.height})}resizeAttachments(e,r){if(this.colorAttachments.forEach((n,i)=>{let s=n.texture.clone({width:e,height:r});this.destroyAttachedResource(n),this.colorAttachments[i]=s.view,this.attachResource(s.view)}),this.depthStencilAttachment){let n=this.depthStencilAttachment.texture.clone({width:e,height:r});this.destroyAttachedResource(this.depthStencilAttachment),this.depthStencilAttachment=n.view,this.attachResource(n)}this.updateAttachments()}static defaultProps={...F.defaultProps,width:1,height:1,colorAttachments:[],depthStencilAttachment:null}}});var lt,rh=b(()=>{ge();lt=class t extends F{get[Symbol.toStringTag](){return"RenderPipeline"}shaderLayout;bufferLayout;linkStatus="pending";hash="";sharedRenderPipeline=null;get isPending(){return this.linkStatus==="pending"||this.vs.compilationStatus==="pending"||this.fs?.compilationStatus==="pending"}get isErrored(){return this.linkStatus==="error"||this.vs.compilationStatus==="error"||this.fs?.compilationStatus==="error"}constructor(e,r){super(e,r,t.defaultProps),this.shaderLayout=this.props.shaderLayout,this.bufferLayout=this.props.bufferLayout||[],this.sharedRenderPipeline=this.props._sharedRenderPipeline||null}static defaultProps={...F.defaultProps,vs:null,vertexEntryPoint:"vertexMain",vsConstants:{},fs:null,fragmentEntryPoint:"fragmentMain",fsConstants:{},shaderLayout:null,bufferLayout:[],topology:"triangle-list",colorAttachmentFormats:void 0,depthStencilAttachmentFormat:void 0,parameters:{},varyings:void 0,bufferMode:void 0,disableWarnings:!1,_sharedRenderPipeline:void 0,_uniformBlockLayouts:[],bindings:void 0,bindGroups:void 0}}});var Ys,Mx=b(()=>{ge();Ys=class extends F{get[Symbol.toStringTag](){return"SharedRenderPipeline"}constructor(e,r){super(e,r,{...F.defaultProps,handle:void 0,vs:void 0,fs:void 0,varyings:void 0,bufferMode:void 0})}}});var Mr,nh=b(()=>{ge();Mr=class t extends F{get[Symbol.toStringTag](){return"ComputePipeline"}hash="";shaderLayout;constructor(e,r){super(e,r,t.defaultProps),this.shaderLayout=r.shaderLayout}static defaultProps={...F.defaultProps,shader:void 0,entryPoint:void 0,constants:{},shaderLayout:void 0}}});var pn,Ix=b(()=>{nh();rh();Ne();pi();pn=class t{static defaultProps={...lt.defaultProps};static getDefaultPipelineFactory(e){let r=e.getModuleData("@luma.gl/core");return r.defaultPipelineFactory||=new t(e),r.defaultPipelineFactory}device;_hashCounter=0;_hashes={};_renderPipelineCache={};_computePipelineCache={};_sharedRenderPipelineCache={};get[Symbol.toStringTag](){return"PipelineFactory"}toString(){return`PipelineFactory(${this.device.id})`}constructor(e){this.device=e}createRenderPipeline(e){if(!this.device.props._cachePipelines)return this.device.createRenderPipeline(e);let r={...lt.defaultProps,...e},n=this._renderPipelineCache,i=this._hashRenderPipeline(r),s=n[i]?.resource;if(s)n[i].useCount++,this.device.props.debugFactories&&P.log(3,`${this}: ${n[i].resource} reused, count=${n[i].useCount}, (id=${e.id})`)();else{let o=this.device.type==="webgl"&&this.device.props._sharePipelines?this.createSharedRenderPipeline(r):void 0;s=this.device.createRenderPipeline({...r,id:r.id?`${r.id}-cached`:Ft("unnamed-cached"),_sharedRenderPipeline:o}),s.hash=i,n[i]={resource:s,useCount:1},this.device.props.debugFactories&&P.log(3,`${this}: ${s} created, count=${n[i].useCount}`)()}return s}createComputePipeline(e){if(!this.device.props._cachePipelines)return this.device.createComputePipeline(e);let r={...Mr.defaultProps,...e},n=this._computePipelineCache,i=this._hashComputePipeline(r),s=n[i]?.resource;return s?(n[i].useCount++,this.device.props.debugFactories&&P.log(3,`${this}: ${n[i].resource} reused, count=${n[i].useCount}, (id=${e.id})`)()):(s=this.device.createComputePipeline({...r,id:r.id?`${r.id}-cached`:void 0}),s.hash=i,n[i]={resource:s,useCount:1},this.device.props.debugFactories&&P.log(3,`${this}: ${s} created, count=${n[i].useCount}`)()),s}release(e){if(!this.device.props._cachePipelines){e.destroy();return}let r=this._getCache(e),n=e.hash;r[n].useCount--,r[n].useCount===0?(this._destroyPipeline(e),this.device.props.debugFactories&&P.log(3,`${this}: ${e} released and destroyed`)()):r[n].useCount<0?(P.error(`${this}: ${e} released, useCount < 0, resetting`)(),r[n].useCount=0):this.device.props.debugFactories&&P.log(3,`${this}: ${e} released, count=${r[n].useCount}`)()}createSharedRenderPipeline(e){let r=this._hashSharedRenderPipeline(e),n=this._sharedRenderPipelineCache[r];return n||(n={resource:this.device._createSharedRenderPipelineWebGL(e),useCount:0},this._sharedRenderPipelineCache[r]=n),n.useCount++,n.resource}releaseSharedRenderPipeline(e){if(!e.sharedRenderPipeline)return;let r=this._hashSharedRenderPipeline(e.sharedRenderPipeline.props),n=this._sharedRenderPipelineCache[r];n&&(n.useCount--,n.useCount===0&&(n.resource.destroy(),delete this._sharedRenderPipelineCache[r]))}_destroyPipeline(e){let r=this._getCache(e);return this.device.props._destroyPipelines?(delete r[e.hash],e.destroy(),e instanceof lt&&this.releaseSharedRenderPipeline(e),!0):!1}_getCache(e){let r;if(e instanceof Mr&&(r=this._computePipelineCache),e instanceof lt&&(r=this._renderPipelineCache),!r)throw new Error(`${this}`);if(!r[e.hash])throw new Error(`${this}: ${e} matched incorrect entry`);return r}_hashComputePipeline(e){let{type:r}=this.device,n=this._getHash(e.shader.source),i=this._getHash(JSON.stringify(e.shaderLayout));return`${r}/C/${n}SL${i}`}_hashRenderPipeline(e){let r=e.vs?this._getHash(e.vs.source):0,n=e.fs?this._getHash(e.fs.source):0,i=this._getWebGLVaryingHash(e),s=this._getHash(JSON.stringify(e.shaderLayout)),o=this._getHash(JSON.stringify(e._uniformBlockLayouts)),a=this._getHash(JSON.stringify(e.bufferLayout)),{type:c}=this.device;if(c==="webgl"){let l=this._getHash(JSON.stringify(e.parameters));return`${c}/R/${r}/${n}V${i}T${e.topology}P${l}SL${s}UBL${o}BL${a}`}else{let f=this._getHash(JSON.stringify({vertexEntryPoint:e.vertexEntryPoint,fragmentEntryPoint:e.fragmentEntryPoint})),u=this._getHash(JSON.stringify(e.parameters)),d=this._getWebGPUAttachmentHash(e);return`${c}/R/${r}/${n}V${i}T${e.topology}EP${f}P${u}SL${s}BL${a}A${d}`}}_hashSharedRenderPipeline(e){let r=e.vs?this._getHash(e.vs.source):0,n=e.fs?this._getHash(e.fs.source):0,i=this._getWebGLVaryingHash(e);return`webgl/S/${r}/${n}V${i}`}_getHash(e){return this._hashes[e]===void 0&&(this._hashes[e]=this._hashCounter++),this._hashes[e]}_getWebGLVaryingHash(e){let{varyings:r=[],bufferMode:n=null}=e;return this._getHash(JSON.stringify({varyings:r,bufferMode:n}))}_getWebGPUAttachmentHash(e){let r=e.colorAttachmentFormats??[this.device.preferredColorFormat],n=e.depthStencilAttachmentFormat??(e.parameters?.depthWriteEnabled?this.device.preferredDepthFormat:null);return this._getHash(JSON.stringify({colorAttachmentFormats:r,depthStencilAttachmentFormat:n}))}}});var mn,Rx=b(()=>{th();Ne();mn=class t{static defaultProps={...dn.defaultProps};static getDefaultShaderFactory(e){let r=e.getModuleData("@luma.gl/core");return r.defaultShaderFactory||=new t(e),r.defaultShaderFactory}device;_cache={};get[Symbol.toStringTag](){return"ShaderFactory"}toString(){return`${this[Symbol.toStringTag]}(${this.device.id})`}constructor(e){this.device=e}createShader(e){if(!this.device.props._cacheShaders)return this.device.createShader(e);let r=this._hashShader(e),n=this._cache[r];if(n)n.useCount++,this.device.props.debugFactories&&P.log(3,`${this}: Reusing shader ${n.resource.id} count=${n.useCount}`)();else{let i=this.device.createShader({...e,id:e.id?`${e.id}-cached`:void 0});this._cache[r]=n={resource:i,useCount:1},this.device.props.debugFactories&&P.log(3,`${this}: Created new shader ${i.id}`)()}return n.resource}release(e){if(!this.device.props._cacheShaders){e.destroy();return}let r=this._hashShader(e),n=this._cache[r];if(n)if(n.useCount--,n.useCount===0)this.device.props._destroyShaders&&(delete this._cache[r],n.resource.destroy(),this.device.props.debugFactories&&P.log(3,`${this}: Releasing shader ${e.id}, destroyed`)());else{if(n.useCount<0)throw new Error(`ShaderFactory: Shader ${e.id} released too many times`);this.device.props.debugFactories&&P.log(3,`${this}: Releasing shader ${e.id} count=${n.useCount}`)()}}_hashShader(e){return`${e.stage}:${e.source}`}}});function Nc(t,e,r){let n=t.bindings.find(i=>i.name===e||`${i.name.toLocaleLowerCase()}uniforms`===e.toLocaleLowerCase());return!n&&!r?.ignoreWarnings&&P.warn(`Binding ${e} not set: Not found in shader layout.`)(),n||null}function gn(t,e){if(!e)return{};if(XL(e))return Object.fromEntries(Object.entries(e).map(([i,s])=>[Number(i),{...s}]));let r={};for(let[n,i]of Object.entries(e)){let o=Nc(t,n)?.group??0;r[o]||={},r[o][n]=i}return r}function mi(t){let e={};for(let r of Object.values(t))Object.assign(e,r);return e}function XL(t){let e=Object.keys(t);return e.length>0&&e.every(r=>/^\d+$/.test(r))}var kx=b(()=>{Ne()});var qs,Ox=b(()=>{ge();qs=class t extends F{static defaultClearColor=[0,0,0,1];static defaultClearDepth=1;static defaultClearStencil=0;get[Symbol.toStringTag](){return"RenderPass"}constructor(e,r,n=t.defaultProps){r=t.normalizeProps(e,r),super(e,r,n)}static normalizeProps(e,r){return r}static defaultProps={...F.defaultProps,framebuffer:null,resolveTargets:void 0,parameters:void 0,clearColor:t.defaultClearColor,clearColors:void 0,clearDepth:t.defaultClearDepth,clearStencil:t.defaultClearStencil,depthReadOnly:!1,stencilReadOnly:!1,discard:!1,occlusionQuerySet:void 0,timestampQuerySet:void 0,beginTimestampIndex:void 0,endTimestampIndex:void 0}}});var Xs,Bx=b(()=>{ge();Xs=class t extends F{get[Symbol.toStringTag](){return"CommandEncoder"}_timeProfilingQuerySet=null;_timeProfilingSlotCount=0;_gpuTimeMs;constructor(e,r){super(e,r,t.defaultProps),this._timeProfilingQuerySet=r.timeProfilingQuerySet??null,this._timeProfilingSlotCount=0,this._gpuTimeMs=void 0}async resolveTimeProfilingQuerySet(){if(this._gpuTimeMs=void 0,!this._timeProfilingQuerySet)return;let e=Math.floor(this._timeProfilingSlotCount/2);if(e<=0)return;let r=e*2,n=await this._timeProfilingQuerySet.readResults({firstQuery:0,queryCount:r}),i=0n;for(let s=0;s<r;s+=2)i+=n[s+1]-n[s];this._gpuTimeMs=Number(i)/1e6}getTimeProfilingSlotCount(){return this._timeProfilingSlotCount}getTimeProfilingQuerySet(){return this._timeProfilingQuerySet}_applyTimeProfilingToPassProps(e){let r=e||{};if(!this._supportsTimestampQueries()||!this._timeProfilingQuerySet||r.timestampQuerySet!==void 0||r.beginTimestampIndex!==void 0||r.endTimestampIndex!==void 0)return r;let n=this._timeProfilingSlotCount;return n+1>=this._timeProfilingQuerySet.props.count?r:(this._timeProfilingSlotCount+=2,{...r,timestampQuerySet:this._timeProfilingQuerySet,beginTimestampIndex:n,endTimestampIndex:n+1})}_supportsTimestampQueries(){return this.device.features.has("timestamp-query")}static defaultProps={...F.defaultProps,measureExecutionTime:void 0,timeProfilingQuerySet:void 0}}});var Zs,Dx=b(()=>{ge();Zs=class t extends F{get[Symbol.toStringTag](){return"CommandBuffer"}constructor(e,r){super(e,r,t.defaultProps)}static defaultProps={...F.defaultProps}}});var Ks,Nx=b(()=>{ge();Ks=class t extends F{static defaultProps={...F.defaultProps,shaderLayout:void 0,bufferLayout:[]};get[Symbol.toStringTag](){return"VertexArray"}maxVertexAttributes;indexBuffer=null;attributes;constructor(e,r){super(e,r,t.defaultProps),this.maxVertexAttributes=e.limits.maxVertexAttributes,this.attributes=new Array(this.maxVertexAttributes).fill(null)}getBufferSlot(e){return null}getDrawValidationError(){return null}setConstantWebGL(e,r){this.device.reportError(new Error("constant attributes not supported"),this)()}}});var Qs,Fx=b(()=>{ge();Qs=class t extends F{static defaultProps={...F.defaultProps,layout:void 0,buffers:{}};get[Symbol.toStringTag](){return"TransformFeedback"}constructor(e,r){super(e,r,t.defaultProps)}}});var Js,zx=b(()=>{ge();Js=class t extends F{get[Symbol.toStringTag](){return"QuerySet"}constructor(e,r){super(e,r,t.defaultProps)}static defaultProps={...F.defaultProps,type:void 0,count:void 0}}});var eo,Ux=b(()=>{ge();eo=class t extends F{static defaultProps={...F.defaultProps};get[Symbol.toStringTag](){return"Fence"}constructor(e,r={}){super(e,r,t.defaultProps)}}});function gi(t){let e=Fc(t),r=JL[e];if(!r)throw new Error(`Unsupported variable shader type: ${t}`);return r}function $x(t){let e=Gx(t),r=QL[e];if(!r)throw new Error(`Unsupported attribute shader type: ${t}`);let[n,i]=r,s=n==="i32"||n==="u32",o=n!=="u32",a=KL[n]*i;return{primitiveType:n,components:i,byteLength:a,integer:s,signed:o}}function ZL(t,e){return e===1?t:`vec${e}<${t}>`}function Gx(t){return eC[t]||t}function Fc(t){return tC[t]||t}var ih,Je,KL,QL,JL,eC,tC,to=b(()=>{ih=class{getVariableShaderTypeInfo(e){return gi(e)}getAttributeShaderTypeInfo(e){return $x(e)}makeShaderAttributeType(e,r){return ZL(e,r)}resolveAttributeShaderTypeAlias(e){return Gx(e)}resolveVariableShaderTypeAlias(e){return Fc(e)}};Je=new ih,KL={f32:4,f16:2,i32:4,u32:4},QL={f32:["f32",1],"vec2<f32>":["f32",2],"vec3<f32>":["f32",3],"vec4<f32>":["f32",4],f16:["f16",1],"vec2<f16>":["f16",2],"vec3<f16>":["f16",3],"vec4<f16>":["f16",4],i32:["i32",1],"vec2<i32>":["i32",2],"vec3<i32>":["i32",3],"vec4<i32>":["i32",4],u32:["u32",1],"vec2<u32>":["u32",2],"vec3<u32>":["u32",3],"vec4<u32>":["u32",4]},JL={f32:{type:"f32",components:1},f16:{type:"f16",components:1},i32:{type:"i32",components:1},u32:{type:"u32",components:1},"vec2<f32>":{type:"f32",components:2},"vec3<f32>":{type:"f32",components:3},"vec4<f32>":{type:"f32",components:4},"vec2<f16>":{type:"f16",components:2},"vec3<f16>":{type:"f16",components:3},"vec4<f16>":{type:"f16",components:4},"vec2<i32>":{type:"i32",components:2},"vec3<i32>":{type:"i32",components:3},"vec4<i32>":{type:"i32",components:4},"vec2<u32>":{type:"u32",components:2},"vec3<u32>":{type:"u32",components:3},"vec4<u32>":{type:"u32",components:4},"mat2x2<f32>":{type:"f32",components:4},"mat2x3<f32>":{type:"f32",components:6},"mat2x4<f32>":{type:"f32",components:8},"mat3x2<f32>":{type:"f32",components:6},"mat3x3<f32>":{type:"f32",components:9},"mat3x4<f32>":{type:"f32",components:12},"mat4x2<f32>":{type:"f32",components:8},"mat4x3<f32>":{type:"f32",components:12},"mat4x4<f32>":{type:"f32",components:16},"mat2x2<f16>":{type:"f16",components:4},"mat2x3<f16>":{type:"f16",components:6},"mat2x4<f16>":{type:"f16",components:8},"mat3x2<f16>":{type:"f16",components:6},"mat3x3<f16>":{type:"f16",components:9},"mat3x4<f16>":{type:"f16",components:12},"mat4x2<f16>":{type:"f16",components:8},"mat4x3<f16>":{type:"f16",components:12},"mat4x4<f16>":{type:"f16",components:16},"mat2x2<i32>":{type:"i32",components:4},"mat2x3<i32>":{type:"i32",components:6},"mat2x4<i32>":{type:"i32",components:8},"mat3x2<i32>":{type:"i32",components:6},"mat3x3<i32>":{type:"i32",components:9},"mat3x4<i32>":{type:"i32",components:12},"mat4x2<i32>":{type:"i32",components:8},"mat4x3<i32>":{type:"i32",components:12},"mat4x4<i32>":{type:"i32",components:16},"mat2x2<u32>":{type:"u32",components:4},"mat2x3<u32>":{type:"u32",components:6},"mat2x4<u32>":{type:"u32",components:8},"mat3x2<u32>":{type:"u32",components:6},"mat3x3<u32>":{type:"u32",components:9},"mat3x4<u32>":{type:"u32",components:12},"mat4x2<u32>":{type:"u32",components:8},"mat4x3<u32>":{type:"u32",components:12},"mat4x4<u32>":{type:"u32",components:16}},eC={vec2i:"vec2<i32>",vec3i:"vec3<i32>",vec4i:"vec4<i32>",vec2u:"vec2<u32>",vec3u:"vec3<u32>",vec4u:"vec4<u32>",vec2f:"vec2<f32>",vec3f:"vec3<f32>",vec4f:"vec4<f32>",vec2h:"vec2<f16>",vec3h:"vec3<f16>",vec4h:"vec4<f16>"},tC={vec2i:"vec2<i32>",vec3i:"vec3<i32>",vec4i:"vec4<i32>",vec2u:"vec2<u32>",vec3u:"vec3<u32>",vec4u:"vec4<u32>",vec2f:"vec2<f32>",vec3f:"vec3<f32>",vec4f:"vec4<f32>",vec2h:"vec2<f16>",vec3h:"vec3<f16>",vec4h:"vec4<f16>",mat2x2f:"mat2x2<f32>",mat2x3f:"mat2x3<f32>",mat2x4f:"mat2x4<f32>",mat3x2f:"mat3x2<f32>",mat3x3f:"mat3x3<f32>",mat3x4f:"mat3x4<f32>",mat4x2f:"mat4x2<f32>",mat4x3f:"mat4x3<f32>",mat4x4f:"mat4x4<f32>",mat2x2i:"mat2x2<i32>",mat2x3i:"mat2x3<i32>",mat2x4i:"mat2x4<i32>",mat3x2i:"mat3x2<i32>",mat3x3i:"mat3x3<i32>",mat3x4i:"mat3x4<i32>",mat4x2i:"mat4x2<i32>",mat4x3i:"mat4x3<i32>",mat4x4i:"mat4x4<i32>",mat2x2u:"mat2x2<u32>",mat2x3u:"mat2x3<u32>",mat2x4u:"mat2x4<u32>",mat3x2u:"mat3x2<u32>",mat3x3u:"mat3x3<u32>",mat3x4u:"mat3x4<u32>",mat4x2u:"mat4x2<u32>",mat4x3u:"mat4x3<u32>",mat4x4u:"mat4x4<u32>",mat2x2h:"mat2x2<f16>",mat2x3h:"mat2x3<f16>",mat2x4h:"mat2x4<f16>",mat3x2h:"mat3x2<f16>",mat3x3h:"mat3x3<f16>",mat3x4h:"mat3x4<f16>",mat4x2h:"mat4x2<f16>",mat4x3h:"mat4x3<f16>",mat4x4h:"mat4x4<f16>"}});function yn(t,e={}){let r={...t},n=e.layout??"std140",i={},s=0;for(let[o,a]of Object.entries(r))s=sh(i,o,a,s,n);return s=ct(s,Ir(r,n)),{layout:n,byteLength:s*4,uniformTypes:r,fields:i}}function ro(t,e){let r=Fc(t),n=gi(r),i=/^mat(\d)x(\d)<.+>$/.exec(r);if(i){let o=Number(i[1]),a=Number(i[2]),c=Vx(a,r,n.type,e),l=nC(c.size,c.alignment,e);return{alignment:c.alignment,size:o*l,components:o*a,columns:o,rows:a,columnStride:l,shaderType:r,type:n.type}}let s=/^vec(\d)<.+>$/.exec(r);return s?Vx(Number(s[1]),r,n.type,e):{alignment:1,size:1,components:1,columns:1,rows:1,columnStride:1,shaderType:r,type:n.type}}function oh(t){return!!t&&typeof t=="object"&&!Array.isArray(t)}function sh(t,e,r,n,i){if(typeof r=="string"){let s=ro(r,i),o=ct(n,s.alignment);return t[e]={offset:o,...s},o+s.size}if(Array.isArray(r)){if(Array.isArray(r[0]))throw new Error(`Nested arrays are not supported for ${e}`);let s=r[0],o=r[1],a=jx(s,i),c=ct(n,Ir(r,i));for(let l=0;l<o;l++)sh(t,`${e}[${l}]`,s,c+l*a,i);return c+a*o}if(oh(r)){let s=Ir(r,i),o=ct(n,s);for(let[a,c]of Object.entries(r))o=sh(t,`${e}.${a}`,c,o,i);return ct(o,s)}throw new Error(`Unsupported CompositeShaderType for ${e}`)}function Wx(t,e){if(typeof t=="string")return ro(t,e).size;if(Array.isArray(t)){let n=t[0],i=t[1];if(Array.isArray(n))throw new Error("Nested arrays are not supported");return jx(n,e)*i}let r=0;for(let n of Object.values(t)){let i=n;r=ct(r,Ir(i,e)),r+=Wx(i,e)}return ct(r,Ir(t,e))}function Ir(t,e){if(typeof t=="string")return ro(t,e).alignment;if(Array.isArray(t)){let n=t[0],i=Ir(n,e);return Hx(e)?Math.max(i,4):i}let r=1;for(let n of Object.values(t)){let i=Ir(n,e);r=Math.max(r,i)}return iC(e)?Math.max(r,4):r}function Vx(t,e,r,n){return{alignment:t===2?2:4,size:t===3?3:t,components:t,columns:1,rows:t,columnStride:t===3?3:t,shaderType:e,type:r}}function jx(t,e){let r=Wx(t,e),n=Ir(t,e);return rC(r,n,e)}function rC(t,e,r){return ct(t,Hx(r)?4:e)}function nC(t,e,r){return r==="std140"?4:ct(t,e)}function Hx(t){return t==="std140"||t==="wgsl-uniform"}function iC(t){return t==="std140"||t==="wgsl-uniform"}var zc=b(()=>{Cc();to()});function ah(t){return(!Uc||Uc.byteLength<t)&&(Uc=new ArrayBuffer(t)),Uc}function ch(t,e){let r=ah(t.BYTES_PER_ELEMENT*e);return new t(r,0,e)}var Uc,lh=b(()=>{});function sC(t){return ArrayBuffer.isView(t)&&!(t instanceof DataView)}function yi(t){return Array.isArray(t)?t.length===0||typeof t[0]=="number":sC(t)}var fh=b(()=>{});function oC(t){return!!t&&typeof t=="object"&&!Array.isArray(t)&&!ArrayBuffer.isView(t)}function aC(t,e,r){return Array.prototype.slice.call(t,e,r)}var $c,Yx=b(()=>{lh();fh();Ne();zc();$c=class{layout;constructor(e){this.layout=e}has(e){return!!this.layout.fields[e]}get(e){let r=this.layout.fields[e];return r?{offset:r.offset,size:r.size}:void 0}getFlatUniformValues(e){let r={};for(let[n,i]of Object.entries(e)){let s=this.layout.uniformTypes[n];s?this._flattenCompositeValue(r,n,s,i):this.layout.fields[n]&&(r[n]=i)}return r}getData(e){let r=ah(this.layout.byteLength);new Uint8Array(r,0,this.layout.byteLength).fill(0);let n={i32:new Int32Array(r),u32:new Uint32Array(r),f32:new Float32Array(r),f16:new Uint16Array(r)},i=this.getFlatUniformValues(e);for(let[s,o]of Object.entries(i))this._writeLeafValue(n,s,o);return new Uint8Array(r,0,this.layout.byteLength)}_flattenCompositeValue(e,r,n,i){if(i!==void 0){if(typeof n=="string"||this.layout.fields[r]){e[r]=i;return}if(Array.isArray(n)){let s=n[0],o=n[1];if(Array.isArray(s))throw new Error(`Nested arrays are not supported for ${r}`);if(typeof s=="string"&&yi(i)){this._flattenPackedArray(e,r,s,o,i);return}if(!Array.isArray(i)){P.warn(`Unsupported uniform array value for ${r}:`,i)();return}for(let a=0;a<Math.min(i.length,o);a++){let c=i[a];c!==void 0&&this._flattenCompositeValue(e,`${r}[${a}]`,s,c)}return}if(oh(n)&&oC(i)){for(let[s,o]of Object.entries(i)){if(o===void 0)continue;let a=`${r}.${s}`;this._flattenCompositeValue(e,a,n[s],o)}return}P.warn(`Unsupported uniform value for ${r}:`,i)()}}_flattenPackedArray(e,r,n,i,s){let o=s,c=ro(n,this.layout.layout).components;for(let l=0;l<i;l++){let f=l*c;if(f>=o.length)break;c===1?e[`${r}[${l}]`]=Number(o[f]):e[`${r}[${l}]`]=aC(s,f,f+c)}}_writeLeafValue(e,r,n){let i=this.layout.fields[r];if(!i){P.warn(`Uniform ${r} not found in layout`)();return}let{type:s,components:o,columns:a,rows:c,offset:l,columnStride:f}=i,u=e[s];if(o===1){u[l]=Number(n);return}let d=n;if(a===1){for(let p=0;p<o;p++)u[l+p]=Number(d[p]??0);return}let h=0;for(let p=0;p<a;p++){let m=l+p*f;for(let g=0;g<c;g++)u[m+g]=Number(d[h++]??0)}}}});function qx(t,e,r=16){if(t===e)return!0;let n=t,i=e;if(!yi(n)||!yi(i)||n.length!==i.length)return!1;let s=Math.min(r,cC);if(n.length>s)return!1;for(let o=0;o<n.length;++o)if(i[o]!==n[o])return!1;return!0}function Xx(t){return yi(t)?t.slice():t}var cC,Zx=b(()=>{fh();cC=128});var Gc,Kx=b(()=>{Zx();Gc=class{name;uniforms={};modifiedUniforms={};modified=!0;bindingLayout={};needsRedraw="initialized";constructor(e){if(this.name=e?.name||"unnamed",e?.name&&e?.shaderLayout){let r=e?.shaderLayout.bindings?.find(i=>i.type==="uniform"&&i.name===e?.name);if(!r)throw new Error(e?.name);let n=r;for(let i of n.uniforms||[])this.bindingLayout[i.name]=i}}setUniforms(e){for(let[r,n]of Object.entries(e))this._setUniform(r,n)&&!this.needsRedraw&&this.setNeedsRedraw(`${this.name}.${r}=${n}`)}setNeedsRedraw(e){this.needsRedraw=this.needsRedraw||e}getAllUniforms(){return this.modifiedUniforms={},this.needsRedraw=!1,this.uniforms||{}}_setUniform(e,r){return qx(this.uniforms[e],r)?!1:(this.uniforms[e]=Xx(r),this.modifiedUniforms[e]=!0,this.modified=!0,!0)}}});function fC(t){return t.type==="webgpu"?"wgsl-uniform":"std140"}var lC,_n,Qx=b(()=>{Ac();Ne();zc();Kx();Yx();lC=1024,_n=class{device;uniformBlocks=new Map;shaderBlockLayouts=new Map;shaderBlockWriters=new Map;uniformBuffers=new Map;constructor(e,r){this.device=e;for(let[n,i]of Object.entries(r)){let s=n,o=yn(i.uniformTypes??{},{layout:i.layout??fC(e)}),a=new $c(o);this.shaderBlockLayouts.set(s,o),this.shaderBlockWriters.set(s,a);let c=new Gc({name:n});c.setUniforms(a.getFlatUniformValues(i.defaultUniforms||{})),this.uniformBlocks.set(s,c)}}destroy(){for(let e of this.uniformBuffers.values())e.destroy()}setUniforms(e,r){for(let[n,i]of Object.entries(e)){let s=n,a=this.shaderBlockWriters.get(s)?.getFlatUniformValues(i||{});this.uniformBlocks.get(s)?.setUniforms(a||{})}this.updateUniformBuffers(r)}getUniformBufferByteLength(e){let r=this.shaderBlockLayouts.get(e)?.byteLength||0;return Math.max(r,lC)}getUniformBufferData(e){let r=this.uniformBlocks.get(e)?.getAllUniforms()||{};return this.shaderBlockWriters.get(e)?.getData(r)||new Uint8Array(0)}createUniformBuffer(e,r){r&&this.setUniforms(r);let n=this.getUniformBufferByteLength(e),i=this.device.createBuffer({usage:U.UNIFORM|U.COPY_DST,byteLength:n}),s=this.getUniformBufferData(e);return i.write(s),i}getManagedUniformBuffer(e){if(!this.uniformBuffers.get(e)){let r=this.getUniformBufferByteLength(e),n=this.device.createBuffer({usage:U.UNIFORM|U.COPY_DST,byteLength:r});this.uniformBuffers.set(e,n)}return this.uniformBuffers.get(e)}updateUniformBuffers(e){let r=!1;for(let n of this.uniformBlocks.keys()){let i=this.updateUniformBuffer(n,e);r||=i}return r&&P.log(3,`UniformStore.updateUniformBuffers(): ${r}`)(),r}updateUniformBuffer(e,r){let n=this.uniformBlocks.get(e),i=this.uniformBuffers.get(e),s=!1;if(i&&n?.needsRedraw){s||=n.needsRedraw;let o=this.getUniformBufferData(e);if(i=this.uniformBuffers.get(e),i&&(r?this.device.writeBufferViaCommandEncoder(r,i,o):i.write(o)),P.level>=4){let a=this.uniformBlocks.get(e)?.getAllUniforms();P.log(4,`Writing to uniform buffer ${String(e)}`,o,a)()}}return s}}});function _i(t){return t.attributes?t.attributes.map(e=>e.attribute):[t.name]}function uh(t){return Object.fromEntries(t.attributes.map(e=>[e.name,e.location]))}function Vc(t){let e=1/0;for(let r of t)r!==void 0&&(e=Math.min(e,r));return e}function dh(t,e,r){uC(e);let n=new Map;for(let i of e){let s=dC(i);if(i.attributes)for(let o of i.attributes)n.has(o.attribute)||n.set(o.attribute,{bufferName:i.name,stepMode:i.stepMode,vertexFormat:o.format,byteOffset:o.byteOffset,byteStride:s});else i.format&&!n.has(i.name)&&n.set(i.name,{bufferName:i.name,stepMode:i.stepMode,vertexFormat:i.format,byteOffset:0,byteStride:s})}return t.attributes.map(i=>{let s=n.get(i.name);!s&&r?.warnOnMissingBufferLayout&&P.warn(`layout for attribute "${i.name}" not present in buffer layout`)();let o=Je.getAttributeShaderTypeInfo(i.type),a=s?.vertexFormat||re.getCompatibleVertexFormat(o);return{attributeName:i.name,bufferName:s?.bufferName||i.name,location:i.location,vertexFormat:a,byteOffset:s?.byteOffset??0,byteStride:s?.byteStride??re.getVertexFormatInfo(a).byteLength,stepMode:s?.stepMode||i.stepMode||(i.name.startsWith("instance")?"instance":"vertex")}}).sort((i,s)=>i.location-s.location)}function uC(t){for(let e of t)(e.attributes&&e.format||!e.attributes&&!e.format)&&P.warn(`BufferLayout ${e.name} must have either 'attributes' or 'format' field`)()}function dC(t){if(typeof t.byteStride=="number")return t.byteStride;if(t.attributes){let e=0;for(let r of t.attributes)e+=re.getVertexFormatInfo(r.format).byteLength;return e}return re.getVertexFormatInfo(t.format).byteLength}var hh=b(()=>{Ne();to();$s()});function no(t,e){let r={},n=dh(t,e,{warnOnMissingBufferLayout:!0});for(let i of n){let s=hC(t,i);r[i.attributeName]=s}return r}function hC(t,e){let r=pC(t,e.attributeName),n=Je.getAttributeShaderTypeInfo(r.type),i=e.vertexFormat,s=re.getVertexFormatInfo(i);return{attributeName:e.attributeName,bufferName:e.bufferName,location:r.location,shaderType:r.type,primitiveType:n.primitiveType,shaderComponents:n.components,vertexFormat:i,bufferDataType:s.type,bufferComponents:s.components,normalized:s.normalized,integer:n.integer,stepMode:e.stepMode,byteOffset:e.byteOffset,byteStride:e.byteStride}}function pC(t,e){let r=t.attributes.find(n=>n.name===e);return r||P.warn(`shader layout attribute "${e}" not present in shader`)(),r||null}var Jx=b(()=>{Ne();to();$s();hh()});var N=b(()=>{q_();X_();gx();vx();Ex();Ac();Jd();Sx();Px();th();Qd();Cx();rh();Mx();Ix();Rx();Ox();nh();Bx();Dx();Nx();Fx();zx();Ux();zc();Qx();Mc();Cc();to();$s();Bc();Ne();kx();Zd();lh();Jx();hh()});function io(t=[],e){let r=[],n={},i={},s={},o={};for(let a of t)eb({modules:r,defines:n,injections:i,vertexInputs:s,varyings:o},a),eb({modules:r,defines:n,injections:i,vertexInputs:s,varyings:o},a[e]);for(let a of Object.keys(o))if(s[a])throw new Error(`ShaderPlugin name "${a}" cannot be both a vertex input and a varying`);return{modules:r,defines:n,injections:i,vertexInputs:s,varyings:o}}function so(t=[],e=[]){let r=[...t],n=new Set(r.map(i=>i.name));for(let i of e)n.has(i.name)||(r.push(i),n.add(i.name));return r}function eb(t,e){if(e){e.modules?.length&&t.modules.push(...e.modules),e.defines&&Object.assign(t.defines,e.defines);for(let[r,n]of Object.entries(e.vertexInputs||{})){tb(r,"vertex input");let i=t.vertexInputs[r];if(i&&i!==n)throw new Error(`ShaderPlugin vertex input "${r}" has conflicting types "${i}" and "${n}"`);t.vertexInputs[r]=n}for(let[r,n]of Object.entries(e.varyings||{})){tb(r,"varying");let i=gC(r,n),s=t.varyings[r];if(s&&(s.type!==i.type||s.interpolation!==i.interpolation))throw new Error(`ShaderPlugin varying "${r}" has conflicting declarations "${s.type}/${s.interpolation}" and "${i.type}/${i.interpolation}"`);t.varyings[r]=i}for(let r of e.injections||[])yC(r.target),t.injections[r.target]||(t.injections[r.target]=[]),t.injections[r.target].push({injection:r.injection,order:r.order??0})}}function tb(t,e){if(!/^[A-Za-z_][A-Za-z0-9_]*$/.test(t)||t.startsWith("_luma_"))throw new Error(`ShaderPlugin ${e} "${t}" must be a valid non-reserved identifier`)}function gC(t,e){let{primitiveType:r}=Je.getAttributeShaderTypeInfo(e.type),n=r==="i32"||r==="u32",i=e.interpolation||(n?"flat":"smooth");if(n&&i==="smooth")throw new Error(`ShaderPlugin integer varying "${t}" must use flat interpolation`);return{type:e.type,interpolation:i}}function yC(t){if(!mC.test(t))throw new Error(`ShaderPlugin injection target "${t}" must be a named shader anchor or hook`)}var mC,rb=b(()=>{N();mC=/^(vs|fs):(?:#(?:decl|main-start|main-end)|[A-Za-z_][\w-]*)$/});function oo(t){return`${t.name}Uniforms`}function ib(t,e){let r=e==="wgsl"?t.source:e==="vertex"?t.vs:t.fs;if(!r)return null;let n=oo(t);return bC(r,e==="wgsl"?"wgsl":"glsl",n)}function sb(t,e){let r=Object.keys(t.uniformTypes||{});if(!r.length)return null;let n=ib(t,e);return n?{moduleName:t.name,uniformBlockName:oo(t),stage:e,expectedUniformNames:r,actualUniformNames:n,matches:EC(r,n)}:null}function ph(t,e,r={}){let n=sb(t,e);if(!n||n.matches)return n;let i=SC(n);return r.log?.error?.(i,n)(),r.throwOnError!==!1&&ar(!1,i),n}function ao(t){let e=[],r=PC(t);for(let n of r.matchAll(xC)){let i=n[1]?.trim()||null;e.push({blockName:n[2],body:n[3],instanceName:n[4]||null,layoutQualifier:i,hasLayoutQualifier:!!i,isStd140:!!(i&&/\blayout\s*\([^)]*\bstd140\b[^)]*\)/.exec(i))})}return e}function mh(t,e,r,n){let i=ao(t).filter(o=>!o.isStd140),s=new Set;for(let o of i){if(s.has(o.blockName))continue;s.add(o.blockName);let a=n?.label?`${n.label} `:"",c=o.hasLayoutQualifier?`declares ${TC(o.layoutQualifier)} instead of layout(std140)`:"does not declare layout(std140)",l=`${a}${e} shader uniform block ${o.blockName} ${c}. luma.gl host-side shader block packing assumes explicit layout(std140) for GLSL uniform blocks. Add \`layout(std140)\` to the block declaration.`;r?.warn?.(l,o)()}return i}function bC(t,e,r){let n=e==="wgsl"?wC(t,r):vC(t,r);if(!n)return null;let i=[];for(let s of n.split(`
`)){let o=s.replace(/\/\/.*$/,"").trim();if(!o||o.startsWith("#"))continue;let a=e==="wgsl"?o.match(/^([A-Za-z0-9_]+)\s*:/):o.match(_C);a&&i.push(a[1])}return i}function wC(t,e){let r=new RegExp(`\\bstruct\\s+${e}\\b`,"m").exec(t);if(!r)return null;let n=t.indexOf("{",r.index);if(n<0)return null;let i=0;for(let s=n;s<t.length;s++){let o=t[s];if(o==="{"){i++;continue}if(o==="}"&&(i--,i===0))return t.slice(n+1,s)}return null}function vC(t,e){return ao(t).find(n=>n.blockName===e)?.body||null}function EC(t,e){if(t.length!==e.length)return!1;for(let r=0;r<t.length;r++)if(t[r]!==e[r])return!1;return!0}function SC(t){let{expectedUniformNames:e,actualUniformNames:r}=t,n=e.filter(a=>!r.includes(a)),i=r.filter(a=>!e.includes(a)),s=[`Expected ${e.length} fields, found ${r.length}.`],o=AC(e,r);return o&&s.push(o),n.length&&s.push(`Missing from shader block (${n.length}): ${nb(n)}.`),i.length&&s.push(`Unexpected in shader block (${i.length}): ${nb(i)}.`),e.length<=12&&r.length<=12&&(n.length||i.length)&&(s.push(`Expected: ${e.join(", ")}.`),s.push(`Actual: ${r.join(", ")}.`)),`${t.moduleName}: ${t.stage} shader uniform block ${t.uniformBlockName} does not match module.uniformTypes. ${s.join(" ")}`}function PC(t){return t.replace(/\/\*[\s\S]*?\*\//g,"").replace(/\/\/.*$/gm,"")}function TC(t){return t.replace(/\s+/g," ").trim()}function AC(t,e){let r=Math.min(t.length,e.length);for(let n=0;n<r;n++)if(t[n]!==e[n])return`First mismatch at field ${n+1}: expected ${t[n]}, found ${e[n]}.`;return t.length>e.length?`Shader block ends after field ${e.length}; expected next field ${t[e.length]}.`:e.length>t.length?`Shader block has extra field ${e.length}: ${e[t.length]}.`:null}function nb(t,e=8){if(t.length<=e)return t.join(", ");let r=t.length-e;return`${t.slice(0,e).join(", ")}, ... (${r} more)`}var _C,xC,gh=b(()=>{wc();_C=/^(?:uniform\s+)?(?:(?:lowp|mediump|highp)\s+)?[A-Za-z0-9_]+(?:<[^>]+>)?\s+([A-Za-z0-9_]+)(?:\s*\[[^\]]+\])?\s*;/,xC=/((?:layout\s*\([^)]*\)\s*)*)uniform\s+([A-Za-z_][A-Za-z0-9_]*)\s*\{([\s\S]*?)\}\s*([A-Za-z_][A-Za-z0-9_]*)?\s*;/g});function ob(t){switch(t?.gpu.toLowerCase()){case"apple":return`#define APPLE_GPU
// Apple optimizes away the calculation necessary for emulated fp64
#define LUMA_FP64_CODE_ELIMINATION_WORKAROUND 1
#define LUMA_FP32_TAN_PRECISION_WORKAROUND 1
// Intel GPU doesn't have full 32 bits precision in same cases, causes overflow
#define LUMA_FP64_HIGH_BITS_OVERFLOW_WORKAROUND 1
`;case"nvidia":return`#define NVIDIA_GPU
// Nvidia optimizes away the calculation necessary for emulated fp64
#define LUMA_FP64_CODE_ELIMINATION_WORKAROUND 1
`;case"intel":return`#define INTEL_GPU
// Intel optimizes away the calculation necessary for emulated fp64
#define LUMA_FP64_CODE_ELIMINATION_WORKAROUND 1
// Intel's built-in 'tan' function doesn't have acceptable precision
#define LUMA_FP32_TAN_PRECISION_WORKAROUND 1
// Intel GPU doesn't have full 32 bits precision in same cases, causes overflow
#define LUMA_FP64_HIGH_BITS_OVERFLOW_WORKAROUND 1
`;case"amd":return`#define AMD_GPU
`;default:return`#define DEFAULT_GPU
// Prevent driver from optimizing away the calculation necessary for emulated fp64
#define LUMA_FP64_CODE_ELIMINATION_WORKAROUND 1
// Headless Chrome's software shader 'tan' function doesn't have acceptable precision
#define LUMA_FP32_TAN_PRECISION_WORKAROUND 1
// If the GPU doesn't have full 32 bits precision, will causes overflow
#define LUMA_FP64_HIGH_BITS_OVERFLOW_WORKAROUND 1
`}}var ab=b(()=>{});function lb(t,e){if(Number(t.match(/^#version[ \t]+(\d+)/m)?.[1]||100)!==300)throw new Error("luma.gl v9 only supports GLSL 3.00 shader sources");switch(e){case"vertex":return t=cb(t,LC),t;case"fragment":return t=cb(t,CC),t;default:throw new Error(e)}}function cb(t,e){for(let[r,n]of e)t=t.replace(r,n);return t}function yh(t){return new RegExp(`\\b${t}[ \\t]+(\\w+[ \\t]+\\w+(\\[\\w+\\])?;)`,"g")}var fb,LC,CC,ub=b(()=>{fb=[[/^(#version[ \t]+(100|300[ \t]+es))?[ \t]*\n/,`#version 300 es
`],[/\btexture(2D|2DProj|Cube)Lod(EXT)?\(/g,"textureLod("],[/\btexture(2D|2DProj|Cube)(EXT)?\(/g,"texture("]],LC=[...fb,[yh("attribute"),"in $1"],[yh("varying"),"out $1"]],CC=[...fb,[yh("varying"),"in $1"]]});function Wc(t,e,r="glsl"){let n="";for(let i in t){let s=t[i];if(n+=`${r==="wgsl"?"fn":"void"} ${s.signature} {
`,s.header&&(n+=`  ${s.header}`),e[i]){let a=e[i];a.sort((c,l)=>c.order-l.order);for(let c of a)n+=`  ${c.injection}
`}s.footer&&(n+=`  ${s.footer}`),n+=`}
`}return n}function _h(t){let e={vertex:{},fragment:{}};for(let r of t){let n,i;typeof r!="string"?(n=r,i=n.hook):(n={},i=r),i=i.trim();let s=i.indexOf(":"),o=i.slice(0,s),a=i.slice(s+1),c=i.replace(/\(.+/,""),l=Object.assign(n,{signature:a});switch(o){case"vs":e.vertex[c]=l;break;case"fs":e.fragment[c]=l;break;default:throw new Error(o)}}return e}var db=b(()=>{});function hb(t,e){return{name:MC(t,e),language:"glsl",version:IC(t)}}function MC(t,e="unnamed"){let n=/#define[^\S\r\n]*SHADER_NAME[^\S\r\n]*([A-Za-z0-9_-]+)\s*/.exec(t);return n?n[1]:e}function IC(t){let e=100,r=t.match(/[^\s]+/g);if(r&&r.length>=2&&r[0]==="#version"){let n=parseInt(r[1],10);Number.isFinite(n)&&(e=n)}if(e!==100&&e!==300)throw new Error(`Invalid GLSL version ${e}`);return e}var pb=b(()=>{});function jc(t,e=[]){let r=ui(t),n=new Map;for(let s of e)n.set(gb(s.name,s.group,s.location),s.moduleName);let i=[];for(let s of mb){s.lastIndex=0;let o;for(o=s.exec(r);o;){let a=s===mb[0],c=Number(o[a?1:2]),l=Number(o[a?2:1]),f=o[3]?.trim(),u=o[4],d=o[5].trim(),h=n.get(gb(u,l,c));i.push(RC({name:u,group:l,binding:c,owner:h?"module":"application",moduleName:h,accessDeclaration:f,resourceType:d})),o=s.exec(r)}}return i.sort((s,o)=>s.group!==o.group?s.group-o.group:s.binding!==o.binding?s.binding-o.binding:s.name.localeCompare(o.name))}function RC(t){let e={name:t.name,group:t.group,binding:t.binding,owner:t.owner,kind:"unknown",moduleName:t.moduleName,resourceType:t.resourceType};if(t.accessDeclaration){let r=t.accessDeclaration.split(",").map(n=>n.trim());if(r[0]==="uniform")return{...e,kind:"uniform",access:"uniform"};if(r[0]==="storage"){let n=r[1]||"read_write";return{...e,kind:n==="read"?"read-only-storage":"storage",access:n}}}return t.resourceType==="sampler"||t.resourceType==="sampler_comparison"?{...e,kind:"sampler",samplerKind:t.resourceType==="sampler_comparison"?"comparison":"filtering"}:t.resourceType.startsWith("texture_storage_")?{...e,kind:"storage-texture",access:OC(t.resourceType),viewDimension:yb(t.resourceType)}:t.resourceType.startsWith("texture_")?{...e,kind:"texture",viewDimension:yb(t.resourceType),sampleType:kC(t.resourceType),multisampled:t.resourceType.startsWith("texture_multisampled_")}:e}function gb(t,e,r){return`${e}:${r}:${t}`}function yb(t){if(t.includes("cube_array"))return"cube-array";if(t.includes("2d_array"))return"2d-array";if(t.includes("cube"))return"cube";if(t.includes("3d"))return"3d";if(t.includes("2d"))return"2d";if(t.includes("1d"))return"1d"}function kC(t){if(t.startsWith("texture_depth_"))return"depth";if(t.includes("<i32>"))return"sint";if(t.includes("<u32>"))return"uint";if(t.includes("<f32>"))return"float"}function OC(t){return/,\s*([A-Za-z_][A-Za-z0-9_]*)\s*>$/.exec(t)?.[1]}var mb,xh=b(()=>{yc();mb=[new RegExp(`@binding\\(\\s*(\\d+)\\s*\\)\\s*@group\\(\\s*(\\d+)\\s*\\)\\s*${Qe}\\s*:\\s*([^;]+);`,"g"),new RegExp(`@group\\(\\s*(\\d+)\\s*\\)\\s*@binding\\(\\s*(\\d+)\\s*\\)\\s*${Qe}\\s*:\\s*([^;]+);`,"g")]});function bn(t,e){let r=t.split(`
`),n=[],i=[],s=!0;for(let o of r){let a=o.match(BC),c=o.match(UC)||o.match(DC),l=o.match(NC),f=o.match(FC),u=o.match($C)||o.match(zC);if(a){let d=GC(a[1],e?.defines||{}),h=s&&d;i.push({parentActive:s,branchTaken:d,active:h}),s=h}else if(c||l){let d=(c||l)?.[1],h=!!e?.defines?.[d],p=c?h:!h,m=s&&p;i.push({parentActive:s,branchTaken:p,active:m}),s=m}else if(f){let d=i[i.length-1];if(!d)throw new Error("Encountered #else without matching #if, #ifdef or #ifndef");d.active=d.parentActive&&!d.branchTaken,d.branchTaken=!0,s=d.active}else u?(i.pop(),s=i.length?i[i.length-1].active:!0):s&&n.push(o)}if(i.length>0)throw new Error("Unterminated conditional block in shader source");return n.join(`
`)}function GC(t,e){let r=t.trim();if(/^[+-]?\d+(?:\.\d+)?$/.test(r))return Number(r)!==0;if(r==="true")return!0;if(r==="false")return!1;let n=r.match(new RegExp(`^!\\s*${xn}$`));if(n)return!e[n[1]];let i=r.match(new RegExp(`^${xn}$`));if(i)return!!e[i[1]];let s=r.match(new RegExp(`^defined\\s*\\(\\s*${xn}\\s*\\)$`));if(s)return e[s[1]]!==void 0;let o=r.match(new RegExp(`^!\\s*defined\\s*\\(\\s*${xn}\\s*\\)$`));if(o)return e[o[1]]===void 0;throw new Error(`Unsupported #if expression "${t}"`)}var xn,BC,DC,NC,FC,zC,UC,$C,bh=b(()=>{xn="([a-zA-Z_][a-zA-Z0-9_]*)",BC=/^\s*\#\s*if\s+(.+?)\s*(?:\/\/.*)?$/,DC=new RegExp(`^\\s*\\#\\s*ifdef\\s*${xn}\\s*$`),NC=new RegExp(`^\\s*\\#\\s*ifndef\\s*${xn}\\s*(?:\\/\\/.*)?$`),FC=/^\s*\#\s*else\s*(?:\/\/.*)?$/,zC=/^\s*\#\s*endif\s*$/,UC=new RegExp(`^\\s*\\#\\s*ifdef\\s*${xn}\\s*(?:\\/\\/.*)?$`),$C=/^\s*\#\s*endif\s*(?:\/\/.*)?$/});function bb(t,e){let r=[];for(let[n,i]of Object.entries(e))VC(t,n),r.push(`in ${Hc(i)} ${n};`);return r.join(`
`)}function wb(t,e,r){let n=Object.entries(r);if(n.length===0)return{source:t,declarations:"",initialization:""};let i=WC(t,e),s=t.slice(i.openParenthesis+1,i.closeParenthesis),o=jC(t,s),a=new Set(o.locations),c=[],l=[],f=[];for(let[m,g]of n){if(o.names.has(m)||qC(t,m))throw new Error(`ShaderPlugin vertex input "${m}" conflicts with an existing WGSL shader input or variable`);let y=XC(a);a.add(y);let _=`_luma_${m}`;c.push(`@location(${y}) ${_}: ${g}`),l.push(`var<private> ${m}: ${g};`),f.push(`${m} = ${_};`)}let u=s.trim()?`,
  `:`
  `,d=s.trim()?"":`
`,h=`${s}${u}${c.join(`,
  `)}${d}`;return{source:t.slice(0,i.openParenthesis+1)+h+t.slice(i.closeParenthesis),declarations:l.join(`
`),initialization:f.join(`
`)}}function Hc(t){let{primitiveType:e,components:r}=Je.getAttributeShaderTypeInfo(t),n=e==="i32"?"int":e==="u32"?"uint":"float";return r===1?n:`${n==="int"?"i":n==="uint"?"u":""}vec${r}`}function VC(t,e){let r=Yc(e);if(new RegExp(`\\b(?:in|attribute)\\s+(?:(?:lowp|mediump|highp)\\s+)?[A-Za-z_][A-Za-z0-9_]*\\s+${r}\\s*(?:\\[|;)`).test(t))throw new Error(`ShaderPlugin vertex input "${e}" conflicts with an existing GLSL input`)}function WC(t,e){let n=new RegExp(`\\bfn\\s+${Yc(e)}\\s*\\(`,"g").exec(t);if(!n)throw new Error(`ShaderPlugin vertex inputs require WGSL vertex entry point "${e}"`);let i=t.indexOf("(",n.index),s=vb(t,i,"(",")");if(s<0)throw new Error(`Unable to parse WGSL vertex entry point "${e}" parameters`);return{openParenthesis:i,closeParenthesis:s}}function jC(t,e){let r=_b(e),n=new Set(xb(e)),i=HC(e);for(let s of i){let o=YC(t,s);if(o!==null){r.push(..._b(o));for(let a of xb(o))n.add(a)}}return{locations:r,names:n}}function _b(t){let e=[],r=/@location\s*\(\s*(\d+)\s*\)/g,n=r.exec(t);for(;n;)e.push(Number(n[1])),n=r.exec(t);return e}function xb(t){let e=[],r=/(?:^|,)\s*(?:@[A-Za-z_][\w]*(?:\([^)]*\))?\s*)*([A-Za-z_][\w]*)\s*:/gm,n=r.exec(t);for(;n;)e.push(n[1]),n=r.exec(t);return e}function HC(t){let e=[],r=/:\s*([A-Za-z_][\w]*)\b/g,n=r.exec(t);for(;n;)e.push(n[1]),n=r.exec(t);return e}function YC(t,e){let n=new RegExp(`\\bstruct\\s+${Yc(e)}\\s*\\{`,"g").exec(t);if(!n)return null;let i=t.indexOf("{",n.index),s=vb(t,i,"{","}");return s<0?null:t.slice(i+1,s)}function qC(t,e){let r=Yc(e),n=new RegExp(`\\b(?:var(?:<[^>]+>)?|let|const)\\s+${r}\\b`,"g"),i=n.exec(t);for(;i;){if(ZC(t,i.index)===0)return!0;i=n.exec(t)}return!1}function XC(t){let e=0;for(;t.has(e);)e++;return e}function vb(t,e,r,n){let i=0,s=0,o=!1;for(let a=e;a<t.length;a++){let c=t[a],l=t[a+1];if(o){c===`
`&&(o=!1);continue}if(s>0){c==="/"&&l==="*"?(s++,a++):c==="*"&&l==="/"&&(s--,a++);continue}if(c==="/"&&l==="/"){o=!0,a++;continue}if(c==="/"&&l==="*"){s=1,a++;continue}if(c===r&&i++,c===n&&--i===0)return a}return-1}function ZC(t,e){let r=0,n=0,i=!1;for(let s=0;s<e;s++){let o=t[s],a=t[s+1];if(i){o===`
`&&(i=!1);continue}if(n>0){o==="/"&&a==="*"?(n++,s++):o==="*"&&a==="/"&&(n--,s++);continue}o==="/"&&a==="/"?(i=!0,s++):o==="/"&&a==="*"?(n=1,s++):o==="{"?r++:o==="}"&&r--}return r}function Yc(t){return t.replace(/[.*+?^${}()|[\]\\]/g,"\\$&")}var wh=b(()=>{N()});function Sb(t,e,r){let n=[],i=[];for(let[s,o]of Object.entries(r)){lM(t,s);let a=o.interpolation==="flat"?"flat ":"",c=e==="vertex"?"out":"in";n.push(`${a}${c} ${Hc(o.type)} ${s};`),e==="vertex"&&i.push(`${s} = ${aM(o.type)};`)}return{declarations:n.join(`
`),initialization:i.join(`
`)}}function Pb(t,e,r,n){let i=Object.entries(n);if(i.length===0)return{source:t,declarations:"",vertexInitialization:"",fragmentInitialization:""};let s=t,o=qc(s,e,"vertex"),a=KC(s,o),c=qc(s,r,"fragment"),l=QC(s,c),f=vh(s,a),u=vh(s,l.type),d=new Set([...Xc(o.parameters),...Xc(f.body),...Xc(c.parameters),...Xc(u.body)]),h=new Set([...Eb(f.body),...Eb(u.body)]),p=[],m=[],g=[],y=[];for(let[v,S]of i){if(d.has(v)||sM(s,v))throw new Error(`ShaderPlugin varying "${v}" conflicts with existing WGSL stage I/O or a module variable`);let A=oM(h);h.add(A);let L=S.interpolation==="flat"?" @interpolate(flat)":"";p.push(`  @location(${A})${L} ${v}: ${S.type},`),m.push(`var<private> ${v}: ${S.type};`),g.push(`${v} = ${cM(S.type)};`),y.push(`${v} = ${l.name}.${v};`)}JC(s,a,o.openBrace,o.closeBrace),s=eM(s,a,o,i.map(([v])=>v)),o=qc(s,e,"vertex"),s=tM(s,o,i.map(([v])=>v));let x=(a===l.type?[a]:[a,l.type]).map(v=>vh(s,v).closeBrace).sort((v,S)=>S-v);for(let v of x)s=s.slice(0,v)+`${p.join(`
`)}
`+s.slice(v);if(c=qc(s,r,"fragment"),!new RegExp(`\\b${wn(l.name)}\\s*:`).test(c.parameters))throw new Error(`Unable to preserve WGSL fragment input "${l.name}"`);return{source:s,declarations:m.join(`
`),vertexInitialization:g.join(`
`),fragmentInitialization:y.join(`
`)}}function qc(t,e,r){let i=new RegExp(`\\bfn\\s+${wn(e)}\\s*\\(`,"g").exec(t);if(!i)throw new Error(`ShaderPlugin varyings require WGSL ${r} entry point "${e}"`);let s=t.indexOf("(",i.index),o=Zc(t,s,"(",")"),a=t.indexOf("{",o),c=Zc(t,a,"{","}");if(o<0||a<0||c<0)throw new Error(`Unable to parse WGSL ${r} entry point "${e}"`);return{openParenthesis:s,closeParenthesis:o,openBrace:a,closeBrace:c,parameters:t.slice(s+1,o)}}function KC(t,e){let r=t.slice(e.closeParenthesis+1,e.openBrace),n=/->\s*([A-Za-z_][\w]*)\s*$/.exec(r.trim());if(!n||Eh(t,n[1])===null)throw new Error("ShaderPlugin varyings require the WGSL vertex entry point to return a named struct");return n[1]}function QC(t,e){let r=[];for(let n of iM(e.parameters,",")){let i=/(?:@[A-Za-z_][\w]*(?:\([^)]*\))?\s*)*([A-Za-z_][\w]*)\s*:\s*([A-Za-z_][\w]*)\s*$/.exec(n.trim());i&&Eh(t,i[2])&&r.push({name:i[1],type:i[2]})}if(r.length!==1)throw new Error(`ShaderPlugin varyings require exactly one named WGSL fragment input struct; found ${r.length}`);return r[0]}function vh(t,e){let r=Eh(t,e);if(!r)throw new Error(`Unable to find WGSL stage I/O struct "${e}"`);return r}function Eh(t,e){let n=new RegExp(`\\bstruct\\s+${wn(e)}\\s*\\{`,"g").exec(t);if(!n)return null;let i=t.indexOf("{",n.index),s=Zc(t,i,"{","}");return s<0?null:{openBrace:i,closeBrace:s,body:t.slice(i+1,s)}}function JC(t,e,r,n){let i=new RegExp(`\\b${wn(e)}\\s*\\(`,"g"),s=i.exec(t);for(;s;){if(s.index<r||s.index>n)throw new Error(`ShaderPlugin varying output struct "${e}" is constructed outside the selected vertex entry point`);s=i.exec(t)}}function eM(t,e,r,n){let i=new RegExp(`\\b${wn(e)}\\s*\\(`,"g"),s=[],o=i.exec(t);for(;o;){if(o.index>r.openBrace&&o.index<r.closeBrace){let a=t.indexOf("(",o.index),c=Zc(t,a,"(",")");if(c<0||c>r.closeBrace)throw new Error(`Unable to parse WGSL output constructor "${e}"`);s.push({openParenthesis:a,closeParenthesis:c})}o=i.exec(t)}for(let a of s.sort((c,l)=>l.closeParenthesis-c.closeParenthesis)){let l=t.slice(a.openParenthesis+1,a.closeParenthesis).trim()?", ":"";t=t.slice(0,a.closeParenthesis)+l+n.join(", ")+t.slice(a.closeParenthesis)}return t}function tM(t,e,r){let n=rM(t,e.openBrace+1,e.closeBrace);for(let i=n.length-1;i>=0;i--){let s=n[i],o=t.slice(s.expressionStart,s.semicolon).trim();if(!o)throw new Error("ShaderPlugin varying vertex entry point cannot use an empty return");let a=`_luma_vertexOutput${i}`,c=r.map(f=>`${a}.${f} = ${f};`).join(`
`),l=`{
var ${a} = ${o};
${c}
return ${a};
}`;t=t.slice(0,s.start)+l+t.slice(s.semicolon+1)}return t}function rM(t,e,r){let n=[],i=e;for(;i<r;)if(i=Sh(t,i,r),t.slice(i,i+6)==="return"&&!/[A-Za-z0-9_]/.test(t[i+6]||"")){let s=i+6,o=nM(t,s,r);if(o<0)throw new Error("Unable to parse WGSL return statement in selected vertex entry point");n.push({start:i,expressionStart:s,semicolon:o}),i=o+1}else i++;return n}function nM(t,e,r){let n=0,i=0;for(let s=e;s<r;s++){let o=Sh(t,s,r);if(o!==s){s=o-1;continue}let a=t[s];if(a==="("&&n++,a===")"&&n--,a==="["&&i++,a==="]"&&i--,a===";"&&n===0&&i===0)return s}return-1}function Sh(t,e,r){let n=e;if(t[n]==="/"&&t[n+1]==="/"){let i=t.indexOf(`
`,n+2);return i<0||i>r?r:i+1}if(t[n]==="/"&&t[n+1]==="*"){let i=1;for(n+=2;n<r&&i>0;)t[n]==="/"&&t[n+1]==="*"?(i++,n+=2):t[n]==="*"&&t[n+1]==="/"?(i--,n+=2):n++}return n}function iM(t,e){let r=[],n=0,i=0,s=0;for(let o=0;o<t.length;o++){let a=t[o];a==="("&&i++,a===")"&&i--,a==="<"&&s++,a===">"&&s--,a===e&&i===0&&s===0&&(r.push(t.slice(n,o)),n=o+1)}return r.push(t.slice(n)),r}function Eb(t){let e=[],r=/@location\s*\(\s*(\d+)\s*\)/g,n=r.exec(t);for(;n;)e.push(Number(n[1])),n=r.exec(t);return e}function Xc(t){let e=[],r=/(?:^|,)\s*(?:@[A-Za-z_][\w]*(?:\([^)]*\))?\s*)*([A-Za-z_][\w]*)\s*:/gm,n=r.exec(t);for(;n;)e.push(n[1]),n=r.exec(t);return e}function sM(t,e){let r=new RegExp(`\\b(?:var(?:<[^>]+>)?|let|const)\\s+${wn(e)}\\b`,"g"),n=r.exec(t);for(;n;){if(fM(t,n.index)===0)return!0;n=r.exec(t)}return!1}function oM(t){let e=0;for(;t.has(e);)e++;return e}function aM(t){let{primitiveType:e,components:r}=Je.getAttributeShaderTypeInfo(t),n=e==="u32"?"0u":e==="i32"?"0":"0.0";return r===1?n:`${Hc(t)}(${n})`}function cM(t){let{primitiveType:e,components:r}=Je.getAttributeShaderTypeInfo(t),n=`${e}(0)`;return r===1?n:`${t}(${n})`}function lM(t,e){if(new RegExp(`\\b(?:flat\\s+|smooth\\s+)?(?:in|out|varying)\\s+(?:(?:lowp|mediump|highp)\\s+)?[A-Za-z_][A-Za-z0-9_]*\\s+${wn(e)}\\s*(?:\\[|;)`).test(t))throw new Error(`ShaderPlugin varying "${e}" conflicts with existing GLSL stage I/O`)}function Zc(t,e,r,n){let i=0,s=0,o=!1;for(let a=e;a<t.length;a++){let c=t[a],l=t[a+1];if(o){c===`
`&&(o=!1);continue}if(s>0){c==="/"&&l==="*"?(s++,a++):c==="*"&&l==="/"&&(s--,a++);continue}if(c==="/"&&l==="/"){o=!0,a++;continue}if(c==="/"&&l==="*"){s=1,a++;continue}if(c===r&&i++,c===n&&--i===0)return a}return-1}function fM(t,e){let r=0;for(let n=0;n<e;n++){let i=Sh(t,n,e);if(i!==n){n=i-1;continue}t[n]==="{"&&r++,t[n]==="}"&&r--}return r}function wn(t){return t.replace(/[.*+?^${}()|[\]\\]/g,"\\$&")}var Tb=b(()=>{N();wh()});function Cb(t){let e=an(t.modules||[]),{source:r,bindingAssignments:n}=dM(t.platformInfo,{...t,source:t.source,stage:"vertex",modules:e});return{source:r,getUniforms:Ib(e),bindingAssignments:n,bindingTable:jc(r,n),shaderLayout:xc(r,{vertexEntryPoint:t.vertexEntryPoint,scanVertexAttributes:t.scanVertexAttributes})}}function Mb(t){let{vs:e,fs:r}=t,n=an(t.modules||[]);return{vs:Ab(t.platformInfo,{...t,source:e,stage:"vertex",modules:n}),fs:Ab(t.platformInfo,{...t,source:r,stage:"fragment",modules:n}),getUniforms:Ib(n)}}function dM(t,e){let{source:r,stage:n,modules:i,defines:s={},hookFunctions:o=[],inject:a={},pluginInjections:c={},pluginVertexInputs:l={},pluginVaryings:f={},vertexEntryPoint:u="vertexMain",fragmentEntryPoint:d="fragmentMain",log:h}=e;ar(typeof r=="string","shader source must be a string");let p=bn(r,{defines:s}),m=wb(p,u,l),g=Pb(m.source,u,d,f),y=g.source,_="",x=_h(o),w={},v={},S={};Rb(c,w,v,S);for(let k in a){let M=typeof a[k]=="string"?{injection:a[k],order:0}:a[k],B=/^(v|f)s:(#)?([\w-]+)$/.exec(k);if(B){let ee=B[2],V=B[3];ee?V==="decl"?v[k]=[M]:S[k]=[M]:w[k]=[M]}else S[k]=[M]}hM(m.declarations,m.initialization,v,S),pM(g,v,S);let A=i,L=bM(y),C=xM(L.source),T=SM(A,e._bindingRegistry,C,s),O=[];for(let k of A){h&&Md(k,y,h);let M=bn(kb(k,"wgsl",h),{defines:s}),B=wM(M,k,{usedBindingsByGroup:C,bindingRegistry:e._bindingRegistry,reservedBindingKeysByGroup:T});O.push(...B.bindingAssignments);let ee=B.source;_+=ee;let V=mM(k);for(let H in V){let Xr=/^(v|f)s:#([\w-]+)$/.exec(H);if(Xr){let ei=Xr[2]==="decl"?v:S;ei[H]=ei[H]||[],ei[H].push(V[H])}else w[H]=w[H]||[],w[H].push(V[H])}}return _+=Ph,_=Fs(_,n,gM(v),!1,"wgsl",{vertex:u,fragment:d}),_+=yM(x,w),_+=MM(O),_+=L.source,_=Fs(_,n,S,!1,"wgsl",{vertex:u,fragment:d}),CM(_),{source:_,bindingAssignments:O}}function Ab(t,e){let{source:r,stage:n,language:i="glsl",modules:s,defines:o={},hookFunctions:a=[],inject:c={},pluginInjections:l={},pluginVertexInputs:f={},pluginVaryings:u={},prologue:d=!0,log:h}=e;ar(typeof r=="string","shader source must be a string");let p=i==="glsl"?hb(r).version:-1,m=t.shaderLanguageVersion,g=p===100?"#version 100":"#version 300 es",_=r.split(`
`).slice(1).join(`
`),x={};s.forEach(T=>{Object.assign(x,T.defines)}),Object.assign(x,o);let w="";switch(i){case"wgsl":break;case"glsl":w=d?`${g}

// ----- PROLOGUE -------------------------
${`#define SHADER_TYPE_${n.toUpperCase()}`}

${ob(t)}
${n==="fragment"?uM:""}

// ----- APPLICATION DEFINES -------------------------

${_M(x)}

`:`${g}
`;break}let v=_h(a),S={},A={},L={};Rb(l,S,A,L);for(let T in c){let O=typeof c[T]=="string"?{injection:c[T],order:0}:c[T],k=/^(v|f)s:(#)?([\w-]+)$/.exec(T);if(k){let M=k[2],B=k[3];M?B==="decl"?A[T]=[O]:L[T]=[O]:S[T]=[O]}else L[T]=[O]}if(n==="vertex"){let T=bb(_,f);T&&(A["vs:#decl"]=A["vs:#decl"]||[],A["vs:#decl"].push({injection:T,order:Number.MIN_SAFE_INTEGER}))}let C=Sb(_,n,u);if(C.declarations){let T=n==="vertex"?"vs:#decl":"fs:#decl";A[T]=A[T]||[],A[T].push({injection:C.declarations,order:Number.MIN_SAFE_INTEGER})}C.initialization&&(L["vs:#main-start"]=L["vs:#main-start"]||[],L["vs:#main-start"].push({injection:C.initialization,order:Number.MIN_SAFE_INTEGER}));for(let T of s){h&&Md(T,_,h);let O=kb(T,n,h);w+=O;let k=T.instance?.normalizedInjections[n]||{};for(let M in k){let B=/^(v|f)s:#([\w-]+)$/.exec(M);if(B){let V=B[2]==="decl"?A:L;V[M]=V[M]||[],V[M].push(k[M])}else S[M]=S[M]||[],S[M].push(k[M])}}return w+="// ----- MAIN SHADER SOURCE -------------------------",w+=Ph,w=Fs(w,n,A),w+=Wc(v[n],S),w+=_,w=Fs(w,n,L),i==="glsl"&&p!==m&&(w=lb(w,n)),i==="glsl"&&mh(w,n,h),w.trim()}function Ib(t){return function(r){let n={};for(let i of t){let s=i.getUniforms?.(r,n);Object.assign(n,s)}return n}}function Rb(t,e,r,n){for(let i in t){let s=/^(v|f)s:(#)?([\w-]+)$/.exec(i);if(s){let o=s[2],a=s[3],c=o?a==="decl"?r:n:e;c[i]=c[i]||[],c[i].push(...t[i])}else n[i]=n[i]||[],n[i].push(...t[i])}}function hM(t,e,r,n){t&&(r["vs:#decl"]=r["vs:#decl"]||[],r["vs:#decl"].push({injection:t,order:Number.MIN_SAFE_INTEGER})),e&&(n["vs:#main-start"]=n["vs:#main-start"]||[],n["vs:#main-start"].push({injection:e,order:Number.MIN_SAFE_INTEGER}))}function pM(t,e,r){t.declarations&&(e["vs:#decl"]=e["vs:#decl"]||[],e["vs:#decl"].push({injection:t.declarations,order:Number.MIN_SAFE_INTEGER})),t.vertexInitialization&&(r["vs:#main-start"]=r["vs:#main-start"]||[],r["vs:#main-start"].push({injection:t.vertexInitialization,order:Number.MIN_SAFE_INTEGER})),t.fragmentInitialization&&(r["fs:#main-start"]=r["fs:#main-start"]||[],r["fs:#main-start"].push({injection:t.fragmentInitialization,order:Number.MIN_SAFE_INTEGER}))}function mM(t){return{...t.instance?.normalizedInjections.vertex||{},...t.instance?.normalizedInjections.fragment||{}}}function gM(t){let e=[...t["vs:#decl"]||[],...t["fs:#decl"]||[]];return e.length?{"vs:#decl":e}:{}}function yM(t,e){return Wc(t.vertex,e,"wgsl")+Wc(t.fragment,e,"wgsl")}function _M(t={}){let e="";for(let r in t){let n=t[r];(n||Number.isFinite(n))&&(e+=`#define ${r.toUpperCase()} ${t[r]}
`)}return e}function kb(t,e,r){let n;switch(e){case"vertex":n=t.vs||"";break;case"fragment":n=t.fs||"";break;case"wgsl":n=t.source||"";break;default:ar(!1)}if(!t.name)throw new Error("Shader module must have a name");ph(t,e,{log:r});let i=t.name.toUpperCase().replace(/[^0-9a-z]/gi,"_"),s=`// ----- MODULE ${t.name} ---------------

`;return e!=="wgsl"&&(s+=`#define MODULE_${i}
`),s+=`${n}
`,s}function xM(t){let e=new Map;for(let r of on(t,L_)){let n=Number(r.bindingToken),i=Number(r.groupToken);Th(i,n,r.name),xi(e,i,n,`application binding "${r.name}"`)}return e}function bM(t){let e=on(t,gc),r=new Map;for(let s of e){if(s.bindingToken==="auto")continue;let o=Number(s.bindingToken),a=Number(s.groupToken);Th(a,o,s.name),xi(r,a,o,`application binding "${s.name}"`)}let n={sawSupportedBindingDeclaration:e.length>0},i=bd(t,gc,s=>EM(s,r,n));if(wd(t)&&!n.sawSupportedBindingDeclaration)throw new Error('Unsupported @binding(auto) declaration form in application WGSL. Use adjacent "@group(N)" and "@binding(auto)" decorators followed by a bindable "var" declaration.');return{source:i}}function wM(t,e,r){let n=[],s={sawSupportedBindingDeclaration:on(t,fi).length>0,nextHintedBindingLocation:typeof e.firstBindingSlot=="number"?e.firstBindingSlot:null},o=bd(t,fi,a=>vM(a,{module:e,context:r,bindingAssignments:n,relocationState:s}));if(wd(t)&&!s.sawSupportedBindingDeclaration)throw new Error(`Unsupported @binding(auto) declaration form in module "${e.name}". Use adjacent "@group(N)" and "@binding(auto)" decorators followed by a bindable "var" declaration.`);return{source:o,bindingAssignments:n}}function vM(t,e){let{module:r,context:n,bindingAssignments:i,relocationState:s}=e,{match:o,bindingToken:a,groupToken:c,name:l}=t,f=Number(c);if(a==="auto"){let d=Ob(f,r.name,l),h=n.bindingRegistry?.get(d),p=h!==void 0?h:AM(f,n.usedBindingsByGroup,r.name,s.nextHintedBindingLocation??void 0,n.bindingRegistry);return Lb(r.name,f,p,l),h!==void 0&&PM(n.reservedBindingKeysByGroup,f,p,d)?(i.push({moduleName:r.name,name:l,group:f,location:p}),o.replace(/@binding\(\s*auto\s*\)/,`@binding(${p})`)):(xi(n.usedBindingsByGroup,f,p,`module "${r.name}" binding "${l}"`),n.bindingRegistry?.set(d,p),i.push({moduleName:r.name,name:l,group:f,location:p}),s.nextHintedBindingLocation!==null&&h===void 0&&(s.nextHintedBindingLocation=p+1),o.replace(/@binding\(\s*auto\s*\)/,`@binding(${p})`))}let u=Number(a);return Lb(r.name,f,u,l),xi(n.usedBindingsByGroup,f,u,`module "${r.name}" binding "${l}"`),i.push({moduleName:r.name,name:l,group:f,location:u}),o}function EM(t,e,r){let{match:n,bindingToken:i,groupToken:s,name:o}=t,a=Number(s);if(i==="auto"){let c=LM(a,e);return Th(a,c,o),xi(e,a,c,`application binding "${o}"`),n.replace(/@binding\(\s*auto\s*\)/,`@binding(${c})`)}return r.sawSupportedBindingDeclaration=!0,n}function SM(t,e,r,n){let i=new Map;if(!e)return i;for(let s of t)for(let o of TM(s,n)){let a=Ob(o.group,s.name,o.name),c=e.get(a);if(c!==void 0){let l=i.get(o.group)||new Map,f=l.get(c);if(f&&f!==a)throw new Error(`Duplicate WGSL binding reservation for modules "${f}" and "${a}": group ${o.group}, binding ${c}.`);xi(r,o.group,c,`registered module binding "${a}"`),l.set(c,a),i.set(o.group,l)}}return i}function PM(t,e,r,n){let i=t.get(e);if(!i)return!1;let s=i.get(r);if(!s)return!1;if(s!==n)throw new Error(`Registered module binding "${n}" collided with "${s}": group ${e}, binding ${r}.`);return!0}function TM(t,e){let r=[],n=bn(t.source||"",{defines:e});for(let i of on(n,fi))r.push({name:i.name,group:Number(i.groupToken)});return r}function Th(t,e,r){if(t===0&&e>=co)throw new Error(`Application binding "${r}" in group 0 uses reserved binding ${e}. Application-owned explicit group-0 bindings must stay below ${co}.`)}function Lb(t,e,r,n){if(e===0&&r<co)throw new Error(`Module "${t}" binding "${n}" in group 0 uses reserved application binding ${r}. Module-owned explicit group-0 bindings must be ${co} or higher.`)}function xi(t,e,r,n){let i=t.get(e)||new Set;if(i.has(r))throw new Error(`Duplicate WGSL binding assignment for ${n}: group ${e}, binding ${r}.`);i.add(r),t.set(e,i)}function AM(t,e,r,n,i){let s=e.get(t)||new Set,o=new Set,a=`${t}:`,c=`${a}${r}:`;for(let[f,u]of i||[])f.startsWith(c)&&o.add(u);let l=n??(t===0?co:s.size>0?Math.max(...s)+1:0);for(;s.has(l)||o.has(l);)l++;for(let[f,u]of i||[])u===l&&f.startsWith(a)&&i?.delete(f);return l}function LM(t,e){let r=e.get(t)||new Set,n=0;for(;r.has(n);)n++;return n}function CM(t){let e=C_(t,fi);if(!e)return;let r=IM(t,e.index);throw r?new Error(`Unresolved @binding(auto) for module "${r}" binding "${e.name}" remained in assembled WGSL source.`):RM(t,e.index)?new Error(`Unresolved @binding(auto) for application binding "${e.name}" remained in assembled WGSL source.`):new Error(`Unresolved @binding(auto) remained in assembled WGSL source near "${kM(e.match)}".`)}function MM(t){if(t.length===0)return"";let e=`// ----- MODULE WGSL BINDING ASSIGNMENTS ---------------
`;for(let r of t)e+=`// ${r.moduleName}.${r.name} -> @group(${r.group}) @binding(${r.location})
`;return e+=`
`,e}function Ob(t,e,r){return`${t}:${e}:${r}`}function IM(t,e){let r=/^\/\/ ----- MODULE ([^\n]+) ---------------$/gm,n,i;for(i=r.exec(t);i&&i.index<=e;)n=i[1],i=r.exec(t);return n}function RM(t,e){let r=t.indexOf(Ph);return r>=0?e>r:!0}function kM(t){return t.replace(/\s+/g," ").trim()}var Ph,co,uM,Bb=b(()=>{Id();ab();Cd();ub();Ec();gh();db();wc();pb();xh();Td();bh();wh();Tb();yc();Ph=`

${Ns}
`,co=100,uM=`precision highp float;
`});var ft,bi,Rr,Db=b(()=>{Ec();Bb();xh();bh();Td();wc();ft=class t{static defaultShaderAssemblers={};_hookFunctions=[];_defaultModules=[];static getDefaultShaderAssembler(e){return ar(e==="glsl"||e==="wgsl"),e==="wgsl"?(t.defaultShaderAssemblers.wgsl=t.defaultShaderAssemblers.wgsl||new Rr,t.defaultShaderAssemblers.wgsl):(t.defaultShaderAssemblers.glsl=t.defaultShaderAssemblers.glsl||new bi,t.defaultShaderAssemblers.glsl)}addDefaultModule(e){this._defaultModules.find(r=>r.name===(typeof e=="string"?e:e.name))||this._defaultModules.push(e)}removeDefaultModule(e){let r=typeof e=="string"?e:e.name;this._defaultModules=this._defaultModules.filter(n=>n.name!==r)}addShaderHook(e,r){r&&(e=Object.assign(r,{hook:e})),this._hookFunctions.push(e)}_getModuleList(e=[]){let r=new Array(this._defaultModules.length+e.length),n={},i=0;for(let s=0,o=this._defaultModules.length;s<o;++s){let a=this._defaultModules[s],c=a.name;r[i++]=a,n[c]=!0}for(let s=0,o=e.length;s<o;++s){let a=e[s],c=a.name;n[c]||(r[i++]=a,n[c]=!0)}return r.length=i,di(r),r}},bi=class extends ft{shaderLanguage="glsl";assembleGLSLShaderPair(e){let r=this._getModuleList(e.modules),n=this._hookFunctions;return{...Mb({...e,vs:e.vs,fs:e.fs,modules:r,hookFunctions:n}),modules:r}}},Rr=class t extends ft{shaderLanguage="wgsl";_wgslBindingRegistry=new Map;assembleWGSLShader(e){let r=this._getModuleList(e.modules),n=this._hookFunctions,i=t.getShaderPreprocessorDefines(e,r),s=e.platformInfo.shaderLanguage==="wgsl"&&e.source?bn(e.source,{defines:i}):e.source,{source:o,getUniforms:a,bindingAssignments:c}=Cb({...e,source:s,defines:i,_bindingRegistry:this._wgslBindingRegistry,modules:r,hookFunctions:n}),l=e.platformInfo.shaderLanguage==="wgsl"?bn(o,{defines:i}):o;return{source:l,getUniforms:a,modules:r,bindingAssignments:c,bindingTable:jc(l,c),shaderLayout:xc(l,{vertexEntryPoint:e.vertexEntryPoint,scanVertexAttributes:e.scanVertexAttributes})}}static getShaderPreprocessorDefines(e,r){return{...t.getPlatformPreprocessorDefines(e.platformInfo),...r.reduce((n,i)=>(Object.assign(n,i.defines),n),{}),...e.defines}}static getPlatformPreprocessorDefines(e){let r=e.limits||{};return{LUMA_SUPPORTS_VERTEX_STORAGE_BUFFERS:e.type==="webgpu"&&(r.maxStorageBuffersInVertexStage||0)>0,LUMA_FP32_TAN_PRECISION_WORKAROUND:e.type==="webgpu"&&e.gpu.toLowerCase()!=="nvidia"&&e.gpu.toLowerCase()!=="amd",LUMA_FP64_INTEGER_ARITHMETIC:e.type==="webgpu"&&e.gpu.toLowerCase()==="apple"}}}});function Ah(t){let{input:e,inputChannels:r,output:n}=t||{};if(!e)return BM;if(!r)throw new Error("inputChannels");let i=DM(r),s=Nb(e,r);return`#version 300 es
in ${i} ${e};
out vec4 ${n};
void main() {
  ${n} = ${s};
}`}function DM(t){switch(t){case 1:return"float";case 2:return"vec2";case 3:return"vec3";case 4:return"vec4";default:throw new Error(`invalid channels: ${t}`)}}function Nb(t,e){switch(e){case 1:return`vec4(${t}, 0.0, 0.0, 1.0)`;case 2:return`vec4(${t}, 0.0, 1.0)`;case 3:return`vec4(${t}, 1.0)`;case 4:return t;default:throw new Error(`invalid channels: ${e}`)}}var OM,BM,Fb=b(()=>{OM=`out vec4 transform_output;
void main() {
  transform_output = vec4(0);
}`,BM=`#version 300 es
${OM}`});function Lh(t,{precision:e=ye.precision}={}){return t=FM(t),`${parseFloat(t.toPrecision(e))}`}function lr(t){return Array.isArray(t)||ArrayBuffer.isView(t)&&!(t instanceof DataView)}function ie(t,e,r){return UM(t,n=>Math.max(e,Math.min(r,n)))}function vn(t,e,r){return lr(t)?t.map((n,i)=>vn(n,e[i],r)):r*e+(1-r)*t}function Ut(t,e,r){let n=ye.EPSILON;r&&(ye.EPSILON=r);try{if(t===e)return!0;if(lr(t)&&lr(e)){if(t.length!==e.length)return!1;for(let i=0;i<t.length;++i)if(!Ut(t[i],e[i]))return!1;return!0}return t&&t.equals?t.equals(e):e&&e.equals?e.equals(t):typeof t=="number"&&typeof e=="number"?Math.abs(t-e)<=ye.EPSILON*Math.max(1,Math.abs(t),Math.abs(e)):!1}finally{ye.EPSILON=n}}function FM(t){return Math.round(t/ye.EPSILON)*ye.EPSILON}function zM(t){return t.clone?t.clone():new Array(t.length)}function UM(t,e,r){if(lr(t)){let n=t;r=r||zM(n);for(let i=0;i<r.length&&i<n.length;++i){let s=typeof t=="number"?t:t[i];r[i]=e(s,i,r)}return r}return e(t)}var _9,x9,NM,ye,wi=b(()=>{_9=1/Math.PI*180,x9=1/180*Math.PI,NM={EPSILON:1e-12,debug:!1,precision:4,printTypes:!1,printDegrees:!1,printRowMajor:!0,_cartographicRadians:!1};globalThis.mathgl=globalThis.mathgl||{config:{...NM}};ye=globalThis.mathgl.config});var vi,Ch=b(()=>{wi();vi=class extends Array{clone(){return new this.constructor().copy(this)}fromArray(e,r=0){for(let n=0;n<this.ELEMENTS;++n)this[n]=e[n+r];return this.check()}toArray(e=[],r=0){for(let n=0;n<this.ELEMENTS;++n)e[r+n]=this[n];return e}toObject(e){return e}from(e){return Array.isArray(e)?this.copy(e):this.fromObject(e)}to(e){return e===this?this:lr(e)?this.toArray(e):this.toObject(e)}toTarget(e){return e?this.to(e):this}toFloat32Array(){return new Float32Array(this)}toString(){return this.formatString(ye)}formatString(e){let r="";for(let n=0;n<this.ELEMENTS;++n)r+=(n>0?", ":"")+Lh(this[n],e);return`${e.printTypes?this.constructor.name:""}[${r}]`}equals(e){if(!e||this.length!==e.length)return!1;for(let r=0;r<this.ELEMENTS;++r)if(!Ut(this[r],e[r]))return!1;return!0}exactEquals(e){if(!e||this.length!==e.length)return!1;for(let r=0;r<this.ELEMENTS;++r)if(this[r]!==e[r])return!1;return!0}negate(){for(let e=0;e<this.ELEMENTS;++e)this[e]=-this[e];return this.check()}lerp(e,r,n){if(n===void 0)return this.lerp(this,e,r);for(let i=0;i<this.ELEMENTS;++i){let s=e[i],o=typeof r=="number"?r:r[i];this[i]=s+n*(o-s)}return this.check()}min(e){for(let r=0;r<this.ELEMENTS;++r)this[r]=Math.min(e[r],this[r]);return this.check()}max(e){for(let r=0;r<this.ELEMENTS;++r)this[r]=Math.max(e[r],this[r]);return this.check()}clamp(e,r){for(let n=0;n<this.ELEMENTS;++n)this[n]=Math.min(Math.max(this[n],e[n]),r[n]);return this.check()}add(...e){for(let r of e)for(let n=0;n<this.ELEMENTS;++n)this[n]+=r[n];return this.check()}subtract(...e){for(let r of e)for(let n=0;n<this.ELEMENTS;++n)this[n]-=r[n];return this.check()}scale(e){if(typeof e=="number")for(let r=0;r<this.ELEMENTS;++r)this[r]*=e;else for(let r=0;r<this.ELEMENTS&&r<e.length;++r)this[r]*=e[r];return this.check()}multiplyByScalar(e){for(let r=0;r<this.ELEMENTS;++r)this[r]*=e;return this.check()}check(){if(ye.debug&&!this.validate())throw new Error(`math.gl: ${this.constructor.name} some fields set to invalid numbers'`);return this}validate(){let e=this.length===this.ELEMENTS;for(let r=0;r<this.ELEMENTS;++r)e=e&&Number.isFinite(this[r]);return e}sub(e){return this.subtract(e)}setScalar(e){for(let r=0;r<this.ELEMENTS;++r)this[r]=e;return this.check()}addScalar(e){for(let r=0;r<this.ELEMENTS;++r)this[r]+=e;return this.check()}subScalar(e){return this.addScalar(-e)}multiplyScalar(e){for(let r=0;r<this.ELEMENTS;++r)this[r]*=e;return this.check()}divideScalar(e){return this.multiplyByScalar(1/e)}clampScalar(e,r){for(let n=0;n<this.ELEMENTS;++n)this[n]=Math.min(Math.max(this[n],e),r);return this.check()}get elements(){return this}}});function $M(t,e){if(t.length!==e)return!1;for(let r=0;r<t.length;++r)if(!Number.isFinite(t[r]))return!1;return!0}function Ee(t){if(!Number.isFinite(t))throw new Error(`Invalid number ${JSON.stringify(t)}`);return t}function Kc(t,e,r=""){if(ye.debug&&!$M(t,e))throw new Error(`math.gl: ${r} some fields set to invalid numbers'`);return t}var lo=b(()=>{wi()});function Mh(t,e){if(!t)throw new Error(`math.gl assertion ${e}`)}var zb=b(()=>{});var Qc,Ub=b(()=>{Ch();lo();zb();Qc=class extends vi{get x(){return this[0]}set x(e){this[0]=Ee(e)}get y(){return this[1]}set y(e){this[1]=Ee(e)}len(){return Math.sqrt(this.lengthSquared())}magnitude(){return this.len()}lengthSquared(){let e=0;for(let r=0;r<this.ELEMENTS;++r)e+=this[r]*this[r];return e}magnitudeSquared(){return this.lengthSquared()}distance(e){return Math.sqrt(this.distanceSquared(e))}distanceSquared(e){let r=0;for(let n=0;n<this.ELEMENTS;++n){let i=this[n]-e[n];r+=i*i}return Ee(r)}dot(e){let r=0;for(let n=0;n<this.ELEMENTS;++n)r+=this[n]*e[n];return Ee(r)}normalize(){let e=this.magnitude();if(e!==0)for(let r=0;r<this.ELEMENTS;++r)this[r]/=e;return this.check()}multiply(...e){for(let r of e)for(let n=0;n<this.ELEMENTS;++n)this[n]*=r[n];return this.check()}divide(...e){for(let r of e)for(let n=0;n<this.ELEMENTS;++n)this[n]/=r[n];return this.check()}lengthSq(){return this.lengthSquared()}distanceTo(e){return this.distance(e)}distanceToSquared(e){return this.distanceSquared(e)}getComponent(e){return Mh(e>=0&&e<this.ELEMENTS,"index is out of range"),Ee(this[e])}setComponent(e,r){return Mh(e>=0&&e<this.ELEMENTS,"index is out of range"),this[e]=r,this.check()}addVectors(e,r){return this.copy(e).add(r)}subVectors(e,r){return this.copy(e).subtract(r)}multiplyVectors(e,r){return this.copy(e).multiply(r)}addScaledVector(e,r){return this.add(new this.constructor(e).multiplyScalar(r))}}});function ut(t){return t>=0?Math.round(t):t%.5===0?Math.floor(t):Math.round(t)}var J,$t,M9,En=b(()=>{J=typeof Float32Array<"u"?Float32Array:Array,$t=Math.random;M9=Math.PI/180});var ze={};ir(ze,{add:()=>HM,angle:()=>uI,ceil:()=>YM,clone:()=>GM,copy:()=>WM,create:()=>$b,cross:()=>iI,dist:()=>bI,distance:()=>jb,div:()=>xI,divide:()=>Wb,dot:()=>nI,equals:()=>mI,exactEquals:()=>pI,floor:()=>qM,forEach:()=>EI,fromValues:()=>VM,inverse:()=>tI,len:()=>gI,length:()=>Yb,lerp:()=>sI,max:()=>ZM,min:()=>XM,mul:()=>_I,multiply:()=>Vb,negate:()=>eI,normalize:()=>rI,random:()=>oI,rotate:()=>fI,round:()=>KM,scale:()=>QM,scaleAndAdd:()=>JM,set:()=>jM,sqrDist:()=>wI,sqrLen:()=>vI,squaredDistance:()=>Hb,squaredLength:()=>qb,str:()=>hI,sub:()=>yI,subtract:()=>Gb,transformMat2:()=>aI,transformMat2d:()=>cI,transformMat3:()=>lI,transformMat4:()=>Ih,zero:()=>dI});function $b(){let t=new J(2);return J!=Float32Array&&(t[0]=0,t[1]=0),t}function GM(t){let e=new J(2);return e[0]=t[0],e[1]=t[1],e}function VM(t,e){let r=new J(2);return r[0]=t,r[1]=e,r}function WM(t,e){return t[0]=e[0],t[1]=e[1],t}function jM(t,e,r){return t[0]=e,t[1]=r,t}function HM(t,e,r){return t[0]=e[0]+r[0],t[1]=e[1]+r[1],t}function Gb(t,e,r){return t[0]=e[0]-r[0],t[1]=e[1]-r[1],t}function Vb(t,e,r){return t[0]=e[0]*r[0],t[1]=e[1]*r[1],t}function Wb(t,e,r){return t[0]=e[0]/r[0],t[1]=e[1]/r[1],t}function YM(t,e){return t[0]=Math.ceil(e[0]),t[1]=Math.ceil(e[1]),t}function qM(t,e){return t[0]=Math.floor(e[0]),t[1]=Math.floor(e[1]),t}function XM(t,e,r){return t[0]=Math.min(e[0],r[0]),t[1]=Math.min(e[1],r[1]),t}function ZM(t,e,r){return t[0]=Math.max(e[0],r[0]),t[1]=Math.max(e[1],r[1]),t}function KM(t,e){return t[0]=ut(e[0]),t[1]=ut(e[1]),t}function QM(t,e,r){return t[0]=e[0]*r,t[1]=e[1]*r,t}function JM(t,e,r,n){return t[0]=e[0]+r[0]*n,t[1]=e[1]+r[1]*n,t}function jb(t,e){let r=e[0]-t[0],n=e[1]-t[1];return Math.sqrt(r*r+n*n)}function Hb(t,e){let r=e[0]-t[0],n=e[1]-t[1];return r*r+n*n}function Yb(t){let e=t[0],r=t[1];return Math.sqrt(e*e+r*r)}function qb(t){let e=t[0],r=t[1];return e*e+r*r}function eI(t,e){return t[0]=-e[0],t[1]=-e[1],t}function tI(t,e){return t[0]=1/e[0],t[1]=1/e[1],t}function rI(t,e){let r=e[0],n=e[1],i=r*r+n*n;return i>0&&(i=1/Math.sqrt(i)),t[0]=e[0]*i,t[1]=e[1]*i,t}function nI(t,e){return t[0]*e[0]+t[1]*e[1]}function iI(t,e,r){let n=e[0]*r[1]-e[1]*r[0];return t[0]=t[1]=0,t[2]=n,t}function sI(t,e,r,n){let i=e[0],s=e[1];return t[0]=i+n*(r[0]-i),t[1]=s+n*(r[1]-s),t}function oI(t,e){e=e===void 0?1:e;let r=$t()*2*Math.PI;return t[0]=Math.cos(r)*e,t[1]=Math.sin(r)*e,t}function aI(t,e,r){let n=e[0],i=e[1];return t[0]=r[0]*n+r[2]*i,t[1]=r[1]*n+r[3]*i,t}function cI(t,e,r){let n=e[0],i=e[1];return t[0]=r[0]*n+r[2]*i+r[4],t[1]=r[1]*n+r[3]*i+r[5],t}function lI(t,e,r){let n=e[0],i=e[1];return t[0]=r[0]*n+r[3]*i+r[6],t[1]=r[1]*n+r[4]*i+r[7],t}function Ih(t,e,r){let n=e[0],i=e[1];return t[0]=r[0]*n+r[4]*i+r[12],t[1]=r[1]*n+r[5]*i+r[13],t}function fI(t,e,r,n){let i=e[0]-r[0],s=e[1]-r[1],o=Math.sin(n),a=Math.cos(n);return t[0]=i*a-s*o+r[0],t[1]=i*o+s*a+r[1],t}function uI(t,e){let r=t[0],n=t[1],i=e[0],s=e[1],o=Math.sqrt((r*r+n*n)*(i*i+s*s)),a=o&&(r*i+n*s)/o;return Math.acos(Math.min(Math.max(a,-1),1))}function dI(t){return t[0]=0,t[1]=0,t}function hI(t){return`vec2(${t[0]}, ${t[1]})`}function pI(t,e){return t[0]===e[0]&&t[1]===e[1]}function mI(t,e){let r=t[0],n=t[1],i=e[0],s=e[1];return Math.abs(r-i)<=1e-6*Math.max(1,Math.abs(r),Math.abs(i))&&Math.abs(n-s)<=1e-6*Math.max(1,Math.abs(n),Math.abs(s))}var gI,yI,_I,xI,bI,wI,vI,EI,Rh=b(()=>{En();gI=Yb,yI=Gb,_I=Vb,xI=Wb,bI=jb,wI=Hb,vI=qb,EI=(function(){let t=$b();return function(e,r,n,i,s,o){let a,c;for(r||(r=2),n||(n=0),i?c=Math.min(i*r+n,e.length):c=e.length,a=n;a<c;a+=r)t[0]=e[a],t[1]=e[a+1],s(t,t,o),e[a]=t[0],e[a+1]=t[1];return e}})()});function Xb(t,e,r){let n=e[0],i=e[1],s=r[3]*n+r[7]*i||1;return t[0]=(r[0]*n+r[4]*i)/s,t[1]=(r[1]*n+r[5]*i)/s,t}function Jc(t,e,r){let n=e[0],i=e[1],s=e[2],o=r[3]*n+r[7]*i+r[11]*s||1;return t[0]=(r[0]*n+r[4]*i+r[8]*s)/o,t[1]=(r[1]*n+r[5]*i+r[9]*s)/o,t[2]=(r[2]*n+r[6]*i+r[10]*s)/o,t}function Zb(t,e,r){let n=e[0],i=e[1];return t[0]=r[0]*n+r[2]*i,t[1]=r[1]*n+r[3]*i,t[2]=e[2],t}var kh=b(()=>{});var Pn={};ir(Pn,{add:()=>AI,angle:()=>Uh,bezier:()=>UI,ceil:()=>LI,clone:()=>SI,copy:()=>PI,create:()=>el,cross:()=>Sn,dist:()=>XI,distance:()=>t0,div:()=>qI,divide:()=>e0,dot:()=>fo,equals:()=>jI,exactEquals:()=>WI,floor:()=>CI,forEach:()=>QI,fromValues:()=>tl,hermite:()=>zI,inverse:()=>DI,len:()=>$h,length:()=>Kb,lerp:()=>NI,max:()=>II,min:()=>MI,mul:()=>YI,multiply:()=>Jb,negate:()=>BI,normalize:()=>Oh,random:()=>$I,rotateX:()=>Nh,rotateY:()=>Fh,rotateZ:()=>zh,round:()=>RI,scale:()=>kI,scaleAndAdd:()=>OI,set:()=>TI,slerp:()=>FI,sqrDist:()=>ZI,sqrLen:()=>KI,squaredDistance:()=>r0,squaredLength:()=>n0,str:()=>VI,sub:()=>HI,subtract:()=>Qb,transformMat3:()=>Bh,transformMat4:()=>uo,transformQuat:()=>Dh,zero:()=>GI});function el(){let t=new J(3);return J!=Float32Array&&(t[0]=0,t[1]=0,t[2]=0),t}function SI(t){let e=new J(3);return e[0]=t[0],e[1]=t[1],e[2]=t[2],e}function Kb(t){let e=t[0],r=t[1],n=t[2];return Math.sqrt(e*e+r*r+n*n)}function tl(t,e,r){let n=new J(3);return n[0]=t,n[1]=e,n[2]=r,n}function PI(t,e){return t[0]=e[0],t[1]=e[1],t[2]=e[2],t}function TI(t,e,r,n){return t[0]=e,t[1]=r,t[2]=n,t}function AI(t,e,r){return t[0]=e[0]+r[0],t[1]=e[1]+r[1],t[2]=e[2]+r[2],t}function Qb(t,e,r){return t[0]=e[0]-r[0],t[1]=e[1]-r[1],t[2]=e[2]-r[2],t}function Jb(t,e,r){return t[0]=e[0]*r[0],t[1]=e[1]*r[1],t[2]=e[2]*r[2],t}function e0(t,e,r){return t[0]=e[0]/r[0],t[1]=e[1]/r[1],t[2]=e[2]/r[2],t}function LI(t,e){return t[0]=Math.ceil(e[0]),t[1]=Math.ceil(e[1]),t[2]=Math.ceil(e[2]),t}function CI(t,e){return t[0]=Math.floor(e[0]),t[1]=Math.floor(e[1]),t[2]=Math.floor(e[2]),t}function MI(t,e,r){return t[0]=Math.min(e[0],r[0]),t[1]=Math.min(e[1],r[1]),t[2]=Math.min(e[2],r[2]),t}function II(t,e,r){return t[0]=Math.max(e[0],r[0]),t[1]=Math.max(e[1],r[1]),t[2]=Math.max(e[2],r[2]),t}function RI(t,e){return t[0]=ut(e[0]),t[1]=ut(e[1]),t[2]=ut(e[2]),t}function kI(t,e,r){return t[0]=e[0]*r,t[1]=e[1]*r,t[2]=e[2]*r,t}function OI(t,e,r,n){return t[0]=e[0]+r[0]*n,t[1]=e[1]+r[1]*n,t[2]=e[2]+r[2]*n,t}function t0(t,e){let r=e[0]-t[0],n=e[1]-t[1],i=e[2]-t[2];return Math.sqrt(r*r+n*n+i*i)}function r0(t,e){let r=e[0]-t[0],n=e[1]-t[1],i=e[2]-t[2];return r*r+n*n+i*i}function n0(t){let e=t[0],r=t[1],n=t[2];return e*e+r*r+n*n}function BI(t,e){return t[0]=-e[0],t[1]=-e[1],t[2]=-e[2],t}function DI(t,e){return t[0]=1/e[0],t[1]=1/e[1],t[2]=1/e[2],t}function Oh(t,e){let r=e[0],n=e[1],i=e[2],s=r*r+n*n+i*i;return s>0&&(s=1/Math.sqrt(s)),t[0]=e[0]*s,t[1]=e[1]*s,t[2]=e[2]*s,t}function fo(t,e){return t[0]*e[0]+t[1]*e[1]+t[2]*e[2]}function Sn(t,e,r){let n=e[0],i=e[1],s=e[2],o=r[0],a=r[1],c=r[2];return t[0]=i*c-s*a,t[1]=s*o-n*c,t[2]=n*a-i*o,t}function NI(t,e,r,n){let i=e[0],s=e[1],o=e[2];return t[0]=i+n*(r[0]-i),t[1]=s+n*(r[1]-s),t[2]=o+n*(r[2]-o),t}function FI(t,e,r,n){let i=Math.acos(Math.min(Math.max(fo(e,r),-1),1)),s=Math.sin(i),o=Math.sin((1-n)*i)/s,a=Math.sin(n*i)/s;return t[0]=o*e[0]+a*r[0],t[1]=o*e[1]+a*r[1],t[2]=o*e[2]+a*r[2],t}function zI(t,e,r,n,i,s){let o=s*s,a=o*(2*s-3)+1,c=o*(s-2)+s,l=o*(s-1),f=o*(3-2*s);return t[0]=e[0]*a+r[0]*c+n[0]*l+i[0]*f,t[1]=e[1]*a+r[1]*c+n[1]*l+i[1]*f,t[2]=e[2]*a+r[2]*c+n[2]*l+i[2]*f,t}function UI(t,e,r,n,i,s){let o=1-s,a=o*o,c=s*s,l=a*o,f=3*s*a,u=3*c*o,d=c*s;return t[0]=e[0]*l+r[0]*f+n[0]*u+i[0]*d,t[1]=e[1]*l+r[1]*f+n[1]*u+i[1]*d,t[2]=e[2]*l+r[2]*f+n[2]*u+i[2]*d,t}function $I(t,e){e=e===void 0?1:e;let r=$t()*2*Math.PI,n=$t()*2-1,i=Math.sqrt(1-n*n)*e;return t[0]=Math.cos(r)*i,t[1]=Math.sin(r)*i,t[2]=n*e,t}function uo(t,e,r){let n=e[0],i=e[1],s=e[2],o=r[3]*n+r[7]*i+r[11]*s+r[15];return o=o||1,t[0]=(r[0]*n+r[4]*i+r[8]*s+r[12])/o,t[1]=(r[1]*n+r[5]*i+r[9]*s+r[13])/o,t[2]=(r[2]*n+r[6]*i+r[10]*s+r[14])/o,t}function Bh(t,e,r){let n=e[0],i=e[1],s=e[2];return t[0]=n*r[0]+i*r[3]+s*r[6],t[1]=n*r[1]+i*r[4]+s*r[7],t[2]=n*r[2]+i*r[5]+s*r[8],t}function Dh(t,e,r){let n=r[0],i=r[1],s=r[2],o=r[3],a=e[0],c=e[1],l=e[2],f=i*l-s*c,u=s*a-n*l,d=n*c-i*a,h=i*d-s*u,p=s*f-n*d,m=n*u-i*f,g=o*2;return f*=g,u*=g,d*=g,h*=2,p*=2,m*=2,t[0]=a+f+h,t[1]=c+u+p,t[2]=l+d+m,t}function Nh(t,e,r,n){let i=[],s=[];return i[0]=e[0]-r[0],i[1]=e[1]-r[1],i[2]=e[2]-r[2],s[0]=i[0],s[1]=i[1]*Math.cos(n)-i[2]*Math.sin(n),s[2]=i[1]*Math.sin(n)+i[2]*Math.cos(n),t[0]=s[0]+r[0],t[1]=s[1]+r[1],t[2]=s[2]+r[2],t}function Fh(t,e,r,n){let i=[],s=[];return i[0]=e[0]-r[0],i[1]=e[1]-r[1],i[2]=e[2]-r[2],s[0]=i[2]*Math.sin(n)+i[0]*Math.cos(n),s[1]=i[1],s[2]=i[2]*Math.cos(n)-i[0]*Math.sin(n),t[0]=s[0]+r[0],t[1]=s[1]+r[1],t[2]=s[2]+r[2],t}function zh(t,e,r,n){let i=[],s=[];return i[0]=e[0]-r[0],i[1]=e[1]-r[1],i[2]=e[2]-r[2],s[0]=i[0]*Math.cos(n)-i[1]*Math.sin(n),s[1]=i[0]*Math.sin(n)+i[1]*Math.cos(n),s[2]=i[2],t[0]=s[0]+r[0],t[1]=s[1]+r[1],t[2]=s[2]+r[2],t}function Uh(t,e){let r=t[0],n=t[1],i=t[2],s=e[0],o=e[1],a=e[2],c=Math.sqrt((r*r+n*n+i*i)*(s*s+o*o+a*a)),l=c&&fo(t,e)/c;return Math.acos(Math.min(Math.max(l,-1),1))}function GI(t){return t[0]=0,t[1]=0,t[2]=0,t}function VI(t){return`vec3(${t[0]}, ${t[1]}, ${t[2]})`}function WI(t,e){return t[0]===e[0]&&t[1]===e[1]&&t[2]===e[2]}function jI(t,e){let r=t[0],n=t[1],i=t[2],s=e[0],o=e[1],a=e[2];return Math.abs(r-s)<=1e-6*Math.max(1,Math.abs(r),Math.abs(s))&&Math.abs(n-o)<=1e-6*Math.max(1,Math.abs(n),Math.abs(o))&&Math.abs(i-a)<=1e-6*Math.max(1,Math.abs(i),Math.abs(a))}var HI,YI,qI,XI,ZI,$h,KI,QI,ho=b(()=>{En();HI=Qb,YI=Jb,qI=e0,XI=t0,ZI=r0,$h=Kb,KI=n0,QI=(function(){let t=el();return function(e,r,n,i,s,o){let a,c;for(r||(r=3),n||(n=0),i?c=Math.min(i*r+n,e.length):c=e.length,a=n;a<c;a+=r)t[0]=e[a],t[1]=e[a+1],t[2]=e[a+2],s(t,t,o),e[a]=t[0],e[a+1]=t[1],e[a+2]=t[2];return e}})()});var Gh,rl,Se,i0=b(()=>{Ub();wi();lo();ho();kh();Gh=[0,0,0],Se=class t extends Qc{static get ZERO(){return rl||(rl=new t(0,0,0),Object.freeze(rl)),rl}constructor(e=0,r=0,n=0){super(-0,-0,-0),arguments.length===1&&lr(e)?this.copy(e):(ye.debug&&(Ee(e),Ee(r),Ee(n)),this[0]=e,this[1]=r,this[2]=n)}set(e,r,n){return this[0]=e,this[1]=r,this[2]=n,this.check()}copy(e){return this[0]=e[0],this[1]=e[1],this[2]=e[2],this.check()}fromObject(e){return ye.debug&&(Ee(e.x),Ee(e.y),Ee(e.z)),this[0]=e.x,this[1]=e.y,this[2]=e.z,this.check()}toObject(e){return e.x=this[0],e.y=this[1],e.z=this[2],e}get ELEMENTS(){return 3}get z(){return this[2]}set z(e){this[2]=Ee(e)}angle(e){return Uh(this,e)}cross(e){return Sn(this,this,e),this.check()}rotateX({radians:e,origin:r=Gh}){return Nh(this,this,r,e),this.check()}rotateY({radians:e,origin:r=Gh}){return Fh(this,this,r,e),this.check()}rotateZ({radians:e,origin:r=Gh}){return zh(this,this,r,e),this.check()}transform(e){return this.transformAsPoint(e)}transformAsPoint(e){return uo(this,this,e),this.check()}transformAsVector(e){return Jc(this,this,e),this.check()}transformByMatrix3(e){return Bh(this,this,e),this.check()}transformByMatrix2(e){return Zb(this,this,e),this.check()}transformByQuaternion(e){return Dh(this,this,e),this.check()}}});var nl,s0=b(()=>{Ch();lo();wi();nl=class extends vi{toString(){let e="[";if(ye.printRowMajor){e+="row-major:";for(let r=0;r<this.RANK;++r)for(let n=0;n<this.RANK;++n)e+=` ${this[n*this.RANK+r]}`}else{e+="column-major:";for(let r=0;r<this.ELEMENTS;++r)e+=` ${this[r]}`}return e+="]",e}getElementIndex(e,r){return r*this.RANK+e}getElement(e,r){return this[r*this.RANK+e]}setElement(e,r,n){return this[r*this.RANK+e]=Ee(n),this}getColumn(e,r=new Array(this.RANK).fill(-0)){let n=e*this.RANK;for(let i=0;i<this.RANK;++i)r[i]=this[n+i];return r}setColumn(e,r){let n=e*this.RANK;for(let i=0;i<this.RANK;++i)this[n+i]=r[i];return this}}});function o0(){let t=new J(9);return J!=Float32Array&&(t[1]=0,t[2]=0,t[3]=0,t[5]=0,t[6]=0,t[7]=0),t[0]=1,t[4]=1,t[8]=1,t}var Vh=b(()=>{En()});var me={};ir(me,{add:()=>ER,adjoint:()=>iR,clone:()=>eR,copy:()=>tR,create:()=>JI,decompose:()=>pR,determinant:()=>Hh,equals:()=>AR,exactEquals:()=>TR,frob:()=>vR,fromQuat:()=>Jh,fromQuat2:()=>uR,fromRotation:()=>aR,fromRotationTranslation:()=>l0,fromRotationTranslationScale:()=>mR,fromRotationTranslationScaleOrigin:()=>gR,fromScaling:()=>oR,fromTranslation:()=>sR,fromValues:()=>rR,fromXRotation:()=>cR,fromYRotation:()=>lR,fromZRotation:()=>fR,frustum:()=>ep,getRotation:()=>hR,getScaling:()=>f0,getTranslation:()=>dR,identity:()=>c0,invert:()=>jh,lookAt:()=>np,mul:()=>LR,multiply:()=>po,multiplyScalar:()=>SR,multiplyScalarAndAdd:()=>PR,ortho:()=>rp,orthoNO:()=>d0,orthoZO:()=>xR,perspective:()=>tp,perspectiveFromFieldOfView:()=>_R,perspectiveNO:()=>u0,perspectiveZO:()=>yR,rotate:()=>Xh,rotateX:()=>Zh,rotateY:()=>Kh,rotateZ:()=>Qh,scale:()=>qh,set:()=>nR,str:()=>wR,sub:()=>CR,subtract:()=>h0,targetTo:()=>bR,translate:()=>Yh,transpose:()=>Wh});function JI(){let t=new J(16);return J!=Float32Array&&(t[1]=0,t[2]=0,t[3]=0,t[4]=0,t[6]=0,t[7]=0,t[8]=0,t[9]=0,t[11]=0,t[12]=0,t[13]=0,t[14]=0),t[0]=1,t[5]=1,t[10]=1,t[15]=1,t}function eR(t){let e=new J(16);return e[0]=t[0],e[1]=t[1],e[2]=t[2],e[3]=t[3],e[4]=t[4],e[5]=t[5],e[6]=t[6],e[7]=t[7],e[8]=t[8],e[9]=t[9],e[10]=t[10],e[11]=t[11],e[12]=t[12],e[13]=t[13],e[14]=t[14],e[15]=t[15],e}function tR(t,e){return t[0]=e[0],t[1]=e[1],t[2]=e[2],t[3]=e[3],t[4]=e[4],t[5]=e[5],t[6]=e[6],t[7]=e[7],t[8]=e[8],t[9]=e[9],t[10]=e[10],t[11]=e[11],t[12]=e[12],t[13]=e[13],t[14]=e[14],t[15]=e[15],t}function rR(t,e,r,n,i,s,o,a,c,l,f,u,d,h,p,m){let g=new J(16);return g[0]=t,g[1]=e,g[2]=r,g[3]=n,g[4]=i,g[5]=s,g[6]=o,g[7]=a,g[8]=c,g[9]=l,g[10]=f,g[11]=u,g[12]=d,g[13]=h,g[14]=p,g[15]=m,g}function nR(t,e,r,n,i,s,o,a,c,l,f,u,d,h,p,m,g){return t[0]=e,t[1]=r,t[2]=n,t[3]=i,t[4]=s,t[5]=o,t[6]=a,t[7]=c,t[8]=l,t[9]=f,t[10]=u,t[11]=d,t[12]=h,t[13]=p,t[14]=m,t[15]=g,t}function c0(t){return t[0]=1,t[1]=0,t[2]=0,t[3]=0,t[4]=0,t[5]=1,t[6]=0,t[7]=0,t[8]=0,t[9]=0,t[10]=1,t[11]=0,t[12]=0,t[13]=0,t[14]=0,t[15]=1,t}function Wh(t,e){if(t===e){let r=e[1],n=e[2],i=e[3],s=e[6],o=e[7],a=e[11];t[1]=e[4],t[2]=e[8],t[3]=e[12],t[4]=r,t[6]=e[9],t[7]=e[13],t[8]=n,t[9]=s,t[11]=e[14],t[12]=i,t[13]=o,t[14]=a}else t[0]=e[0],t[1]=e[4],t[2]=e[8],t[3]=e[12],t[4]=e[1],t[5]=e[5],t[6]=e[9],t[7]=e[13],t[8]=e[2],t[9]=e[6],t[10]=e[10],t[11]=e[14],t[12]=e[3],t[13]=e[7],t[14]=e[11],t[15]=e[15];return t}function jh(t,e){let r=e[0],n=e[1],i=e[2],s=e[3],o=e[4],a=e[5],c=e[6],l=e[7],f=e[8],u=e[9],d=e[10],h=e[11],p=e[12],m=e[13],g=e[14],y=e[15],_=r*a-n*o,x=r*c-i*o,w=r*l-s*o,v=n*c-i*a,S=n*l-s*a,A=i*l-s*c,L=f*m-u*p,C=f*g-d*p,T=f*y-h*p,O=u*g-d*m,k=u*y-h*m,M=d*y-h*g,B=_*M-x*k+w*O+v*T-S*C+A*L;return B?(B=1/B,t[0]=(a*M-c*k+l*O)*B,t[1]=(i*k-n*M-s*O)*B,t[2]=(m*A-g*S+y*v)*B,t[3]=(d*S-u*A-h*v)*B,t[4]=(c*T-o*M-l*C)*B,t[5]=(r*M-i*T+s*C)*B,t[6]=(g*w-p*A-y*x)*B,t[7]=(f*A-d*w+h*x)*B,t[8]=(o*k-a*T+l*L)*B,t[9]=(n*T-r*k-s*L)*B,t[10]=(p*S-m*w+y*_)*B,t[11]=(u*w-f*S-h*_)*B,t[12]=(a*C-o*O-c*L)*B,t[13]=(r*O-n*C+i*L)*B,t[14]=(m*x-p*v-g*_)*B,t[15]=(f*v-u*x+d*_)*B,t):null}function iR(t,e){let r=e[0],n=e[1],i=e[2],s=e[3],o=e[4],a=e[5],c=e[6],l=e[7],f=e[8],u=e[9],d=e[10],h=e[11],p=e[12],m=e[13],g=e[14],y=e[15],_=r*a-n*o,x=r*c-i*o,w=r*l-s*o,v=n*c-i*a,S=n*l-s*a,A=i*l-s*c,L=f*m-u*p,C=f*g-d*p,T=f*y-h*p,O=u*g-d*m,k=u*y-h*m,M=d*y-h*g;return t[0]=a*M-c*k+l*O,t[1]=i*k-n*M-s*O,t[2]=m*A-g*S+y*v,t[3]=d*S-u*A-h*v,t[4]=c*T-o*M-l*C,t[5]=r*M-i*T+s*C,t[6]=g*w-p*A-y*x,t[7]=f*A-d*w+h*x,t[8]=o*k-a*T+l*L,t[9]=n*T-r*k-s*L,t[10]=p*S-m*w+y*_,t[11]=u*w-f*S-h*_,t[12]=a*C-o*O-c*L,t[13]=r*O-n*C+i*L,t[14]=m*x-p*v-g*_,t[15]=f*v-u*x+d*_,t}function Hh(t){let e=t[0],r=t[1],n=t[2],i=t[3],s=t[4],o=t[5],a=t[6],c=t[7],l=t[8],f=t[9],u=t[10],d=t[11],h=t[12],p=t[13],m=t[14],g=t[15],y=e*o-r*s,_=e*a-n*s,x=r*a-n*o,w=l*p-f*h,v=l*m-u*h,S=f*m-u*p,A=e*S-r*v+n*w,L=s*S-o*v+a*w,C=l*x-f*_+u*y,T=h*x-p*_+m*y;return c*A-i*L+g*C-d*T}function po(t,e,r){let n=e[0],i=e[1],s=e[2],o=e[3],a=e[4],c=e[5],l=e[6],f=e[7],u=e[8],d=e[9],h=e[10],p=e[11],m=e[12],g=e[13],y=e[14],_=e[15],x=r[0],w=r[1],v=r[2],S=r[3];return t[0]=x*n+w*a+v*u+S*m,t[1]=x*i+w*c+v*d+S*g,t[2]=x*s+w*l+v*h+S*y,t[3]=x*o+w*f+v*p+S*_,x=r[4],w=r[5],v=r[6],S=r[7],t[4]=x*n+w*a+v*u+S*m,t[5]=x*i+w*c+v*d+S*g,t[6]=x*s+w*l+v*h+S*y,t[7]=x*o+w*f+v*p+S*_,x=r[8],w=r[9],v=r[10],S=r[11],t[8]=x*n+w*a+v*u+S*m,t[9]=x*i+w*c+v*d+S*g,t[10]=x*s+w*l+v*h+S*y,t[11]=x*o+w*f+v*p+S*_,x=r[12],w=r[13],v=r[14],S=r[15],t[12]=x*n+w*a+v*u+S*m,t[13]=x*i+w*c+v*d+S*g,t[14]=x*s+w*l+v*h+S*y,t[15]=x*o+w*f+v*p+S*_,t}function Yh(t,e,r){let n=r[0],i=r[1],s=r[2],o,a,c,l,f,u,d,h,p,m,g,y;return e===t?(t[12]=e[0]*n+e[4]*i+e[8]*s+e[12],t[13]=e[1]*n+e[5]*i+e[9]*s+e[13],t[14]=e[2]*n+e[6]*i+e[10]*s+e[14],t[15]=e[3]*n+e[7]*i+e[11]*s+e[15]):(o=e[0],a=e[1],c=e[2],l=e[3],f=e[4],u=e[5],d=e[6],h=e[7],p=e[8],m=e[9],g=e[10],y=e[11],t[0]=o,t[1]=a,t[2]=c,t[3]=l,t[4]=f,t[5]=u,t[6]=d,t[7]=h,t[8]=p,t[9]=m,t[10]=g,t[11]=y,t[12]=o*n+f*i+p*s+e[12],t[13]=a*n+u*i+m*s+e[13],t[14]=c*n+d*i+g*s+e[14],t[15]=l*n+h*i+y*s+e[15]),t}function qh(t,e,r){let n=r[0],i=r[1],s=r[2];return t[0]=e[0]*n,t[1]=e[1]*n,t[2]=e[2]*n,t[3]=e[3]*n,t[4]=e[4]*i,t[5]=e[5]*i,t[6]=e[6]*i,t[7]=e[7]*i,t[8]=e[8]*s,t[9]=e[9]*s,t[10]=e[10]*s,t[11]=e[11]*s,t[12]=e[12],t[13]=e[13],t[14]=e[14],t[15]=e[15],t}function Xh(t,e,r,n){let i=n[0],s=n[1],o=n[2],a=Math.sqrt(i*i+s*s+o*o),c,l,f,u,d,h,p,m,g,y,_,x,w,v,S,A,L,C,T,O,k,M,B,ee;return a<1e-6?null:(a=1/a,i*=a,s*=a,o*=a,l=Math.sin(r),c=Math.cos(r),f=1-c,u=e[0],d=e[1],h=e[2],p=e[3],m=e[4],g=e[5],y=e[6],_=e[7],x=e[8],w=e[9],v=e[10],S=e[11],A=i*i*f+c,L=s*i*f+o*l,C=o*i*f-s*l,T=i*s*f-o*l,O=s*s*f+c,k=o*s*f+i*l,M=i*o*f+s*l,B=s*o*f-i*l,ee=o*o*f+c,t[0]=u*A+m*L+x*C,t[1]=d*A+g*L+w*C,t[2]=h*A+y*L+v*C,t[3]=p*A+_*L+S*C,t[4]=u*T+m*O+x*k,t[5]=d*T+g*O+w*k,t[6]=h*T+y*O+v*k,t[7]=p*T+_*O+S*k,t[8]=u*M+m*B+x*ee,t[9]=d*M+g*B+w*ee,t[10]=h*M+y*B+v*ee,t[11]=p*M+_*B+S*ee,e!==t&&(t[12]=e[12],t[13]=e[13],t[14]=e[14],t[15]=e[15]),t)}function Zh(t,e,r){let n=Math.sin(r),i=Math.cos(r),s=e[4],o=e[5],a=e[6],c=e[7],l=e[8],f=e[9],u=e[10],d=e[11];return e!==t&&(t[0]=e[0],t[1]=e[1],t[2]=e[2],t[3]=e[3],t[12]=e[12],t[13]=e[13],t[14]=e[14],t[15]=e[15]),t[4]=s*i+l*n,t[5]=o*i+f*n,t[6]=a*i+u*n,t[7]=c*i+d*n,t[8]=l*i-s*n,t[9]=f*i-o*n,t[10]=u*i-a*n,t[11]=d*i-c*n,t}function Kh(t,e,r){let n=Math.sin(r),i=Math.cos(r),s=e[0],o=e[1],a=e[2],c=e[3],l=e[8],f=e[9],u=e[10],d=e[11];return e!==t&&(t[4]=e[4],t[5]=e[5],t[6]=e[6],t[7]=e[7],t[12]=e[12],t[13]=e[13],t[14]=e[14],t[15]=e[15]),t[0]=s*i-l*n,t[1]=o*i-f*n,t[2]=a*i-u*n,t[3]=c*i-d*n,t[8]=s*n+l*i,t[9]=o*n+f*i,t[10]=a*n+u*i,t[11]=c*n+d*i,t}function Qh(t,e,r){let n=Math.sin(r),i=Math.cos(r),s=e[0],o=e[1],a=e[2],c=e[3],l=e[4],f=e[5],u=e[6],d=e[7];return e!==t&&(t[8]=e[8],t[9]=e[9],t[10]=e[10],t[11]=e[11],t[12]=e[12],t[13]=e[13],t[14]=e[14],t[15]=e[15]),t[0]=s*i+l*n,t[1]=o*i+f*n,t[2]=a*i+u*n,t[3]=c*i+d*n,t[4]=l*i-s*n,t[5]=f*i-o*n,t[6]=u*i-a*n,t[7]=d*i-c*n,t}function sR(t,e){return t[0]=1,t[1]=0,t[2]=0,t[3]=0,t[4]=0,t[5]=1,t[6]=0,t[7]=0,t[8]=0,t[9]=0,t[10]=1,t[11]=0,t[12]=e[0],t[13]=e[1],t[14]=e[2],t[15]=1,t}function oR(t,e){return t[0]=e[0],t[1]=0,t[2]=0,t[3]=0,t[4]=0,t[5]=e[1],t[6]=0,t[7]=0,t[8]=0,t[9]=0,t[10]=e[2],t[11]=0,t[12]=0,t[13]=0,t[14]=0,t[15]=1,t}function aR(t,e,r){let n=r[0],i=r[1],s=r[2],o=Math.sqrt(n*n+i*i+s*s),a,c,l;return o<1e-6?null:(o=1/o,n*=o,i*=o,s*=o,c=Math.sin(e),a=Math.cos(e),l=1-a,t[0]=n*n*l+a,t[1]=i*n*l+s*c,t[2]=s*n*l-i*c,t[3]=0,t[4]=n*i*l-s*c,t[5]=i*i*l+a,t[6]=s*i*l+n*c,t[7]=0,t[8]=n*s*l+i*c,t[9]=i*s*l-n*c,t[10]=s*s*l+a,t[11]=0,t[12]=0,t[13]=0,t[14]=0,t[15]=1,t)}function cR(t,e){let r=Math.sin(e),n=Math.cos(e);return t[0]=1,t[1]=0,t[2]=0,t[3]=0,t[4]=0,t[5]=n,t[6]=r,t[7]=0,t[8]=0,t[9]=-r,t[10]=n,t[11]=0,t[12]=0,t[13]=0,t[14]=0,t[15]=1,t}function lR(t,e){let r=Math.sin(e),n=Math.cos(e);return t[0]=n,t[1]=0,t[2]=-r,t[3]=0,t[4]=0,t[5]=1,t[6]=0,t[7]=0,t[8]=r,t[9]=0,t[10]=n,t[11]=0,t[12]=0,t[13]=0,t[14]=0,t[15]=1,t}function fR(t,e){let r=Math.sin(e),n=Math.cos(e);return t[0]=n,t[1]=r,t[2]=0,t[3]=0,t[4]=-r,t[5]=n,t[6]=0,t[7]=0,t[8]=0,t[9]=0,t[10]=1,t[11]=0,t[12]=0,t[13]=0,t[14]=0,t[15]=1,t}function l0(t,e,r){let n=e[0],i=e[1],s=e[2],o=e[3],a=n+n,c=i+i,l=s+s,f=n*a,u=n*c,d=n*l,h=i*c,p=i*l,m=s*l,g=o*a,y=o*c,_=o*l;return t[0]=1-(h+m),t[1]=u+_,t[2]=d-y,t[3]=0,t[4]=u-_,t[5]=1-(f+m),t[6]=p+g,t[7]=0,t[8]=d+y,t[9]=p-g,t[10]=1-(f+h),t[11]=0,t[12]=r[0],t[13]=r[1],t[14]=r[2],t[15]=1,t}function uR(t,e){let r=new J(3),n=-e[0],i=-e[1],s=-e[2],o=e[3],a=e[4],c=e[5],l=e[6],f=e[7],u=n*n+i*i+s*s+o*o;return u>0?(r[0]=(a*o+f*n+c*s-l*i)*2/u,r[1]=(c*o+f*i+l*n-a*s)*2/u,r[2]=(l*o+f*s+a*i-c*n)*2/u):(r[0]=(a*o+f*n+c*s-l*i)*2,r[1]=(c*o+f*i+l*n-a*s)*2,r[2]=(l*o+f*s+a*i-c*n)*2),l0(t,e,r),t}function dR(t,e){return t[0]=e[12],t[1]=e[13],t[2]=e[14],t}function f0(t,e){let r=e[0],n=e[1],i=e[2],s=e[4],o=e[5],a=e[6],c=e[8],l=e[9],f=e[10];return t[0]=Math.sqrt(r*r+n*n+i*i),t[1]=Math.sqrt(s*s+o*o+a*a),t[2]=Math.sqrt(c*c+l*l+f*f),t}function hR(t,e){let r=new J(3);f0(r,e);let n=1/r[0],i=1/r[1],s=1/r[2],o=e[0]*n,a=e[1]*i,c=e[2]*s,l=e[4]*n,f=e[5]*i,u=e[6]*s,d=e[8]*n,h=e[9]*i,p=e[10]*s,m=o+f+p,g=0;return m>0?(g=Math.sqrt(m+1)*2,t[3]=.25*g,t[0]=(u-h)/g,t[1]=(d-c)/g,t[2]=(a-l)/g):o>f&&o>p?(g=Math.sqrt(1+o-f-p)*2,t[3]=(u-h)/g,t[0]=.25*g,t[1]=(a+l)/g,t[2]=(d+c)/g):f>p?(g=Math.sqrt(1+f-o-p)*2,t[3]=(d-c)/g,t[0]=(a+l)/g,t[1]=.25*g,t[2]=(u+h)/g):(g=Math.sqrt(1+p-o-f)*2,t[3]=(a-l)/g,t[0]=(d+c)/g,t[1]=(u+h)/g,t[2]=.25*g),t}function pR(t,e,r,n){e[0]=n[12],e[1]=n[13],e[2]=n[14];let i=n[0],s=n[1],o=n[2],a=n[4],c=n[5],l=n[6],f=n[8],u=n[9],d=n[10];r[0]=Math.sqrt(i*i+s*s+o*o),r[1]=Math.sqrt(a*a+c*c+l*l),r[2]=Math.sqrt(f*f+u*u+d*d);let h=1/r[0],p=1/r[1],m=1/r[2],g=i*h,y=s*p,_=o*m,x=a*h,w=c*p,v=l*m,S=f*h,A=u*p,L=d*m,C=g+w+L,T=0;return C>0?(T=Math.sqrt(C+1)*2,t[3]=.25*T,t[0]=(v-A)/T,t[1]=(S-_)/T,t[2]=(y-x)/T):g>w&&g>L?(T=Math.sqrt(1+g-w-L)*2,t[3]=(v-A)/T,t[0]=.25*T,t[1]=(y+x)/T,t[2]=(S+_)/T):w>L?(T=Math.sqrt(1+w-g-L)*2,t[3]=(S-_)/T,t[0]=(y+x)/T,t[1]=.25*T,t[2]=(v+A)/T):(T=Math.sqrt(1+L-g-w)*2,t[3]=(y-x)/T,t[0]=(S+_)/T,t[1]=(v+A)/T,t[2]=.25*T),t}function mR(t,e,r,n){let i=e[0],s=e[1],o=e[2],a=e[3],c=i+i,l=s+s,f=o+o,u=i*c,d=i*l,h=i*f,p=s*l,m=s*f,g=o*f,y=a*c,_=a*l,x=a*f,w=n[0],v=n[1],S=n[2];return t[0]=(1-(p+g))*w,t[1]=(d+x)*w,t[2]=(h-_)*w,t[3]=0,t[4]=(d-x)*v,t[5]=(1-(u+g))*v,t[6]=(m+y)*v,t[7]=0,t[8]=(h+_)*S,t[9]=(m-y)*S,t[10]=(1-(u+p))*S,t[11]=0,t[12]=r[0],t[13]=r[1],t[14]=r[2],t[15]=1,t}function gR(t,e,r,n,i){let s=e[0],o=e[1],a=e[2],c=e[3],l=s+s,f=o+o,u=a+a,d=s*l,h=s*f,p=s*u,m=o*f,g=o*u,y=a*u,_=c*l,x=c*f,w=c*u,v=n[0],S=n[1],A=n[2],L=i[0],C=i[1],T=i[2],O=(1-(m+y))*v,k=(h+w)*v,M=(p-x)*v,B=(h-w)*S,ee=(1-(d+y))*S,V=(g+_)*S,H=(p+x)*A,Xr=(g-_)*A,ps=(1-(d+m))*A;return t[0]=O,t[1]=k,t[2]=M,t[3]=0,t[4]=B,t[5]=ee,t[6]=V,t[7]=0,t[8]=H,t[9]=Xr,t[10]=ps,t[11]=0,t[12]=r[0]+L-(O*L+B*C+H*T),t[13]=r[1]+C-(k*L+ee*C+Xr*T),t[14]=r[2]+T-(M*L+V*C+ps*T),t[15]=1,t}function Jh(t,e){let r=e[0],n=e[1],i=e[2],s=e[3],o=r+r,a=n+n,c=i+i,l=r*o,f=n*o,u=n*a,d=i*o,h=i*a,p=i*c,m=s*o,g=s*a,y=s*c;return t[0]=1-u-p,t[1]=f+y,t[2]=d-g,t[3]=0,t[4]=f-y,t[5]=1-l-p,t[6]=h+m,t[7]=0,t[8]=d+g,t[9]=h-m,t[10]=1-l-u,t[11]=0,t[12]=0,t[13]=0,t[14]=0,t[15]=1,t}function ep(t,e,r,n,i,s,o){let a=1/(r-e),c=1/(i-n),l=1/(s-o);return t[0]=s*2*a,t[1]=0,t[2]=0,t[3]=0,t[4]=0,t[5]=s*2*c,t[6]=0,t[7]=0,t[8]=(r+e)*a,t[9]=(i+n)*c,t[10]=(o+s)*l,t[11]=-1,t[12]=0,t[13]=0,t[14]=o*s*2*l,t[15]=0,t}function u0(t,e,r,n,i){let s=1/Math.tan(e/2);if(t[0]=s/r,t[1]=0,t[2]=0,t[3]=0,t[4]=0,t[5]=s,t[6]=0,t[7]=0,t[8]=0,t[9]=0,t[11]=-1,t[12]=0,t[13]=0,t[15]=0,i!=null&&i!==1/0){let o=1/(n-i);t[10]=(i+n)*o,t[14]=2*i*n*o}else t[10]=-1,t[14]=-2*n;return t}function yR(t,e,r,n,i){let s=1/Math.tan(e/2);if(t[0]=s/r,t[1]=0,t[2]=0,t[3]=0,t[4]=0,t[5]=s,t[6]=0,t[7]=0,t[8]=0,t[9]=0,t[11]=-1,t[12]=0,t[13]=0,t[15]=0,i!=null&&i!==1/0){let o=1/(n-i);t[10]=i*o,t[14]=i*n*o}else t[10]=-1,t[14]=-n;return t}function _R(t,e,r,n){let i=Math.tan(e.upDegrees*Math.PI/180),s=Math.tan(e.downDegrees*Math.PI/180),o=Math.tan(e.leftDegrees*Math.PI/180),a=Math.tan(e.rightDegrees*Math.PI/180),c=2/(o+a),l=2/(i+s);return t[0]=c,t[1]=0,t[2]=0,t[3]=0,t[4]=0,t[5]=l,t[6]=0,t[7]=0,t[8]=-((o-a)*c*.5),t[9]=(i-s)*l*.5,t[10]=n/(r-n),t[11]=-1,t[12]=0,t[13]=0,t[14]=n*r/(r-n),t[15]=0,t}function d0(t,e,r,n,i,s,o){let a=1/(e-r),c=1/(n-i),l=1/(s-o);return t[0]=-2*a,t[1]=0,t[2]=0,t[3]=0,t[4]=0,t[5]=-2*c,t[6]=0,t[7]=0,t[8]=0,t[9]=0,t[10]=2*l,t[11]=0,t[12]=(e+r)*a,t[13]=(i+n)*c,t[14]=(o+s)*l,t[15]=1,t}function xR(t,e,r,n,i,s,o){let a=1/(e-r),c=1/(n-i),l=1/(s-o);return t[0]=-2*a,t[1]=0,t[2]=0,t[3]=0,t[4]=0,t[5]=-2*c,t[6]=0,t[7]=0,t[8]=0,t[9]=0,t[10]=l,t[11]=0,t[12]=(e+r)*a,t[13]=(i+n)*c,t[14]=s*l,t[15]=1,t}function np(t,e,r,n){let i,s,o,a,c,l,f,u,d,h,p=e[0],m=e[1],g=e[2],y=n[0],_=n[1],x=n[2],w=r[0],v=r[1],S=r[2];return Math.abs(p-w)<1e-6&&Math.abs(m-v)<1e-6&&Math.abs(g-S)<1e-6?c0(t):(u=p-w,d=m-v,h=g-S,i=1/Math.sqrt(u*u+d*d+h*h),u*=i,d*=i,h*=i,s=_*h-x*d,o=x*u-y*h,a=y*d-_*u,i=Math.sqrt(s*s+o*o+a*a),i?(i=1/i,s*=i,o*=i,a*=i):(s=0,o=0,a=0),c=d*a-h*o,l=h*s-u*a,f=u*o-d*s,i=Math.sqrt(c*c+l*l+f*f),i?(i=1/i,c*=i,l*=i,f*=i):(c=0,l=0,f=0),t[0]=s,t[1]=c,t[2]=u,t[3]=0,t[4]=o,t[5]=l,t[6]=d,t[7]=0,t[8]=a,t[9]=f,t[10]=h,t[11]=0,t[12]=-(s*p+o*m+a*g),t[13]=-(c*p+l*m+f*g),t[14]=-(u*p+d*m+h*g),t[15]=1,t)}function bR(t,e,r,n){let i=e[0],s=e[1],o=e[2],a=n[0],c=n[1],l=n[2],f=i-r[0],u=s-r[1],d=o-r[2],h=f*f+u*u+d*d;h>0&&(h=1/Math.sqrt(h),f*=h,u*=h,d*=h);let p=c*d-l*u,m=l*f-a*d,g=a*u-c*f;return h=p*p+m*m+g*g,h>0&&(h=1/Math.sqrt(h),p*=h,m*=h,g*=h),t[0]=p,t[1]=m,t[2]=g,t[3]=0,t[4]=u*g-d*m,t[5]=d*p-f*g,t[6]=f*m-u*p,t[7]=0,t[8]=f,t[9]=u,t[10]=d,t[11]=0,t[12]=i,t[13]=s,t[14]=o,t[15]=1,t}function wR(t){return`mat4(${t[0]}, ${t[1]}, ${t[2]}, ${t[3]}, ${t[4]}, ${t[5]}, ${t[6]}, ${t[7]}, ${t[8]}, ${t[9]}, ${t[10]}, ${t[11]}, ${t[12]}, ${t[13]}, ${t[14]}, ${t[15]})`}function vR(t){return Math.sqrt(t[0]*t[0]+t[1]*t[1]+t[2]*t[2]+t[3]*t[3]+t[4]*t[4]+t[5]*t[5]+t[6]*t[6]+t[7]*t[7]+t[8]*t[8]+t[9]*t[9]+t[10]*t[10]+t[11]*t[11]+t[12]*t[12]+t[13]*t[13]+t[14]*t[14]+t[15]*t[15])}function ER(t,e,r){return t[0]=e[0]+r[0],t[1]=e[1]+r[1],t[2]=e[2]+r[2],t[3]=e[3]+r[3],t[4]=e[4]+r[4],t[5]=e[5]+r[5],t[6]=e[6]+r[6],t[7]=e[7]+r[7],t[8]=e[8]+r[8],t[9]=e[9]+r[9],t[10]=e[10]+r[10],t[11]=e[11]+r[11],t[12]=e[12]+r[12],t[13]=e[13]+r[13],t[14]=e[14]+r[14],t[15]=e[15]+r[15],t}function h0(t,e,r){return t[0]=e[0]-r[0],t[1]=e[1]-r[1],t[2]=e[2]-r[2],t[3]=e[3]-r[3],t[4]=e[4]-r[4],t[5]=e[5]-r[5],t[6]=e[6]-r[6],t[7]=e[7]-r[7],t[8]=e[8]-r[8],t[9]=e[9]-r[9],t[10]=e[10]-r[10],t[11]=e[11]-r[11],t[12]=e[12]-r[12],t[13]=e[13]-r[13],t[14]=e[14]-r[14],t[15]=e[15]-r[15],t}function SR(t,e,r){return t[0]=e[0]*r,t[1]=e[1]*r,t[2]=e[2]*r,t[3]=e[3]*r,t[4]=e[4]*r,t[5]=e[5]*r,t[6]=e[6]*r,t[7]=e[7]*r,t[8]=e[8]*r,t[9]=e[9]*r,t[10]=e[10]*r,t[11]=e[11]*r,t[12]=e[12]*r,t[13]=e[13]*r,t[14]=e[14]*r,t[15]=e[15]*r,t}function PR(t,e,r,n){return t[0]=e[0]+r[0]*n,t[1]=e[1]+r[1]*n,t[2]=e[2]+r[2]*n,t[3]=e[3]+r[3]*n,t[4]=e[4]+r[4]*n,t[5]=e[5]+r[5]*n,t[6]=e[6]+r[6]*n,t[7]=e[7]+r[7]*n,t[8]=e[8]+r[8]*n,t[9]=e[9]+r[9]*n,t[10]=e[10]+r[10]*n,t[11]=e[11]+r[11]*n,t[12]=e[12]+r[12]*n,t[13]=e[13]+r[13]*n,t[14]=e[14]+r[14]*n,t[15]=e[15]+r[15]*n,t}function TR(t,e){return t[0]===e[0]&&t[1]===e[1]&&t[2]===e[2]&&t[3]===e[3]&&t[4]===e[4]&&t[5]===e[5]&&t[6]===e[6]&&t[7]===e[7]&&t[8]===e[8]&&t[9]===e[9]&&t[10]===e[10]&&t[11]===e[11]&&t[12]===e[12]&&t[13]===e[13]&&t[14]===e[14]&&t[15]===e[15]}function AR(t,e){let r=t[0],n=t[1],i=t[2],s=t[3],o=t[4],a=t[5],c=t[6],l=t[7],f=t[8],u=t[9],d=t[10],h=t[11],p=t[12],m=t[13],g=t[14],y=t[15],_=e[0],x=e[1],w=e[2],v=e[3],S=e[4],A=e[5],L=e[6],C=e[7],T=e[8],O=e[9],k=e[10],M=e[11],B=e[12],ee=e[13],V=e[14],H=e[15];return Math.abs(r-_)<=1e-6*Math.max(1,Math.abs(r),Math.abs(_))&&Math.abs(n-x)<=1e-6*Math.max(1,Math.abs(n),Math.abs(x))&&Math.abs(i-w)<=1e-6*Math.max(1,Math.abs(i),Math.abs(w))&&Math.abs(s-v)<=1e-6*Math.max(1,Math.abs(s),Math.abs(v))&&Math.abs(o-S)<=1e-6*Math.max(1,Math.abs(o),Math.abs(S))&&Math.abs(a-A)<=1e-6*Math.max(1,Math.abs(a),Math.abs(A))&&Math.abs(c-L)<=1e-6*Math.max(1,Math.abs(c),Math.abs(L))&&Math.abs(l-C)<=1e-6*Math.max(1,Math.abs(l),Math.abs(C))&&Math.abs(f-T)<=1e-6*Math.max(1,Math.abs(f),Math.abs(T))&&Math.abs(u-O)<=1e-6*Math.max(1,Math.abs(u),Math.abs(O))&&Math.abs(d-k)<=1e-6*Math.max(1,Math.abs(d),Math.abs(k))&&Math.abs(h-M)<=1e-6*Math.max(1,Math.abs(h),Math.abs(M))&&Math.abs(p-B)<=1e-6*Math.max(1,Math.abs(p),Math.abs(B))&&Math.abs(m-ee)<=1e-6*Math.max(1,Math.abs(m),Math.abs(ee))&&Math.abs(g-V)<=1e-6*Math.max(1,Math.abs(g),Math.abs(V))&&Math.abs(y-H)<=1e-6*Math.max(1,Math.abs(y),Math.abs(H))}var tp,rp,LR,CR,ip=b(()=>{En();tp=u0;rp=d0;LR=po,CR=h0});var bt={};ir(bt,{add:()=>x0,ceil:()=>MR,clone:()=>m0,copy:()=>y0,create:()=>p0,cross:()=>FR,dist:()=>YR,distance:()=>S0,div:()=>HR,divide:()=>v0,dot:()=>T0,equals:()=>VR,exactEquals:()=>L0,floor:()=>IR,forEach:()=>KR,fromValues:()=>g0,inverse:()=>NR,len:()=>XR,length:()=>sp,lerp:()=>A0,max:()=>kR,min:()=>RR,mul:()=>jR,multiply:()=>w0,negate:()=>DR,normalize:()=>ap,random:()=>zR,round:()=>OR,scale:()=>E0,scaleAndAdd:()=>BR,set:()=>_0,sqrDist:()=>qR,sqrLen:()=>ZR,squaredDistance:()=>P0,squaredLength:()=>op,str:()=>GR,sub:()=>WR,subtract:()=>b0,transformMat4:()=>cp,transformQuat:()=>UR,zero:()=>$R});function p0(){let t=new J(4);return J!=Float32Array&&(t[0]=0,t[1]=0,t[2]=0,t[3]=0),t}function m0(t){let e=new J(4);return e[0]=t[0],e[1]=t[1],e[2]=t[2],e[3]=t[3],e}function g0(t,e,r,n){let i=new J(4);return i[0]=t,i[1]=e,i[2]=r,i[3]=n,i}function y0(t,e){return t[0]=e[0],t[1]=e[1],t[2]=e[2],t[3]=e[3],t}function _0(t,e,r,n,i){return t[0]=e,t[1]=r,t[2]=n,t[3]=i,t}function x0(t,e,r){return t[0]=e[0]+r[0],t[1]=e[1]+r[1],t[2]=e[2]+r[2],t[3]=e[3]+r[3],t}function b0(t,e,r){return t[0]=e[0]-r[0],t[1]=e[1]-r[1],t[2]=e[2]-r[2],t[3]=e[3]-r[3],t}function w0(t,e,r){return t[0]=e[0]*r[0],t[1]=e[1]*r[1],t[2]=e[2]*r[2],t[3]=e[3]*r[3],t}function v0(t,e,r){return t[0]=e[0]/r[0],t[1]=e[1]/r[1],t[2]=e[2]/r[2],t[3]=e[3]/r[3],t}function MR(t,e){return t[0]=Math.ceil(e[0]),t[1]=Math.ceil(e[1]),t[2]=Math.ceil(e[2]),t[3]=Math.ceil(e[3]),t}function IR(t,e){return t[0]=Math.floor(e[0]),t[1]=Math.floor(e[1]),t[2]=Math.floor(e[2]),t[3]=Math.floor(e[3]),t}function RR(t,e,r){return t[0]=Math.min(e[0],r[0]),t[1]=Math.min(e[1],r[1]),t[2]=Math.min(e[2],r[2]),t[3]=Math.min(e[3],r[3]),t}function kR(t,e,r){return t[0]=Math.max(e[0],r[0]),t[1]=Math.max(e[1],r[1]),t[2]=Math.max(e[2],r[2]),t[3]=Math.max(e[3],r[3]),t}function OR(t,e){return t[0]=ut(e[0]),t[1]=ut(e[1]),t[2]=ut(e[2]),t[3]=ut(e[3]),t}function E0(t,e,r){return t[0]=e[0]*r,t[1]=e[1]*r,t[2]=e[2]*r,t[3]=e[3]*r,t}function BR(t,e,r,n){return t[0]=e[0]+r[0]*n,t[1]=e[1]+r[1]*n,t[2]=e[2]+r[2]*n,t[3]=e[3]+r[3]*n,t}function S0(t,e){let r=e[0]-t[0],n=e[1]-t[1],i=e[2]-t[2],s=e[3]-t[3];return Math.sqrt(r*r+n*n+i*i+s*s)}function P0(t,e){let r=e[0]-t[0],n=e[1]-t[1],i=e[2]-t[2],s=e[3]-t[3];return r*r+n*n+i*i+s*s}function sp(t){let e=t[0],r=t[1],n=t[2],i=t[3];return Math.sqrt(e*e+r*r+n*n+i*i)}function op(t){let e=t[0],r=t[1],n=t[2],i=t[3];return e*e+r*r+n*n+i*i}function DR(t,e){return t[0]=-e[0],t[1]=-e[1],t[2]=-e[2],t[3]=-e[3],t}function NR(t,e){return t[0]=1/e[0],t[1]=1/e[1],t[2]=1/e[2],t[3]=1/e[3],t}function ap(t,e){let r=e[0],n=e[1],i=e[2],s=e[3],o=r*r+n*n+i*i+s*s;return o>0&&(o=1/Math.sqrt(o)),t[0]=r*o,t[1]=n*o,t[2]=i*o,t[3]=s*o,t}function T0(t,e){return t[0]*e[0]+t[1]*e[1]+t[2]*e[2]+t[3]*e[3]}function FR(t,e,r,n){let i=r[0]*n[1]-r[1]*n[0],s=r[0]*n[2]-r[2]*n[0],o=r[0]*n[3]-r[3]*n[0],a=r[1]*n[2]-r[2]*n[1],c=r[1]*n[3]-r[3]*n[1],l=r[2]*n[3]-r[3]*n[2],f=e[0],u=e[1],d=e[2],h=e[3];return t[0]=u*l-d*c+h*a,t[1]=-(f*l)+d*o-h*s,t[2]=f*c-u*o+h*i,t[3]=-(f*a)+u*s-d*i,t}function A0(t,e,r,n){let i=e[0],s=e[1],o=e[2],a=e[3];return t[0]=i+n*(r[0]-i),t[1]=s+n*(r[1]-s),t[2]=o+n*(r[2]-o),t[3]=a+n*(r[3]-a),t}function zR(t,e){e=e===void 0?1:e;let r,n,i,s,o,a;do r=$t()*2-1,n=$t()*2-1,o=r*r+n*n;while(o>=1);do i=$t()*2-1,s=$t()*2-1,a=i*i+s*s;while(a>=1);let c=Math.sqrt((1-o)/a);return t[0]=e*r,t[1]=e*n,t[2]=e*i*c,t[3]=e*s*c,t}function cp(t,e,r){let n=e[0],i=e[1],s=e[2],o=e[3];return t[0]=r[0]*n+r[4]*i+r[8]*s+r[12]*o,t[1]=r[1]*n+r[5]*i+r[9]*s+r[13]*o,t[2]=r[2]*n+r[6]*i+r[10]*s+r[14]*o,t[3]=r[3]*n+r[7]*i+r[11]*s+r[15]*o,t}function UR(t,e,r){let n=e[0],i=e[1],s=e[2],o=r[0],a=r[1],c=r[2],l=r[3],f=l*n+a*s-c*i,u=l*i+c*n-o*s,d=l*s+o*i-a*n,h=-o*n-a*i-c*s;return t[0]=f*l+h*-o+u*-c-d*-a,t[1]=u*l+h*-a+d*-o-f*-c,t[2]=d*l+h*-c+f*-a-u*-o,t[3]=e[3],t}function $R(t){return t[0]=0,t[1]=0,t[2]=0,t[3]=0,t}function GR(t){return`vec4(${t[0]}, ${t[1]}, ${t[2]}, ${t[3]})`}function L0(t,e){return t[0]===e[0]&&t[1]===e[1]&&t[2]===e[2]&&t[3]===e[3]}function VR(t,e){let r=t[0],n=t[1],i=t[2],s=t[3],o=e[0],a=e[1],c=e[2],l=e[3];return Math.abs(r-o)<=1e-6*Math.max(1,Math.abs(r),Math.abs(o))&&Math.abs(n-a)<=1e-6*Math.max(1,Math.abs(n),Math.abs(a))&&Math.abs(i-c)<=1e-6*Math.max(1,Math.abs(i),Math.abs(c))&&Math.abs(s-l)<=1e-6*Math.max(1,Math.abs(s),Math.abs(l))}var WR,jR,HR,YR,qR,XR,ZR,KR,il=b(()=>{En();WR=b0,jR=w0,HR=v0,YR=S0,qR=P0,XR=sp,ZR=op,KR=(function(){let t=p0();return function(e,r,n,i,s,o){let a,c;for(r||(r=4),n||(n=0),i?c=Math.min(i*r+n,e.length):c=e.length,a=n;a<c;a+=r)t[0]=e[a],t[1]=e[a+1],t[2]=e[a+2],t[3]=e[a+3],s(t,t,o),e[a]=t[0],e[a+1]=t[1],e[a+2]=t[2],e[a+3]=t[3];return e}})()});function tk(){return sl||(sl=new he([0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]),Object.freeze(sl)),sl}function rk(){return ol||(ol=new he,Object.freeze(ol)),ol}function C0(t){if(t>Math.PI*2)throw Error("expected radians")}function nk(t,e,r,n,i,s){let o=2*s/(r-e),a=2*s/(i-n),c=(r+e)/(r-e),l=(i+n)/(i-n),f=-1,u=-1,d=-2*s;return t[0]=o,t[1]=0,t[2]=0,t[3]=0,t[4]=0,t[5]=a,t[6]=0,t[7]=0,t[8]=c,t[9]=l,t[10]=f,t[11]=u,t[12]=0,t[13]=0,t[14]=d,t[15]=0,t}var up,QR,JR,lp,fp,ek,he,sl,ol,M0=b(()=>{s0();lo();kh();ip();Rh();ho();il();(function(t){t[t.COL0ROW0=0]="COL0ROW0",t[t.COL0ROW1=1]="COL0ROW1",t[t.COL0ROW2=2]="COL0ROW2",t[t.COL0ROW3=3]="COL0ROW3",t[t.COL1ROW0=4]="COL1ROW0",t[t.COL1ROW1=5]="COL1ROW1",t[t.COL1ROW2=6]="COL1ROW2",t[t.COL1ROW3=7]="COL1ROW3",t[t.COL2ROW0=8]="COL2ROW0",t[t.COL2ROW1=9]="COL2ROW1",t[t.COL2ROW2=10]="COL2ROW2",t[t.COL2ROW3=11]="COL2ROW3",t[t.COL3ROW0=12]="COL3ROW0",t[t.COL3ROW1=13]="COL3ROW1",t[t.COL3ROW2=14]="COL3ROW2",t[t.COL3ROW3=15]="COL3ROW3"})(up||(up={}));QR=45*Math.PI/180,JR=1,lp=.1,fp=500,ek=Object.freeze([1,0,0,0,0,1,0,0,0,0,1,0,0,0,0,1]),he=class extends nl{static get IDENTITY(){return rk()}static get ZERO(){return tk()}get ELEMENTS(){return 16}get RANK(){return 4}get INDICES(){return up}constructor(e){super(-0,-0,-0,-0,-0,-0,-0,-0,-0,-0,-0,-0,-0,-0,-0,-0),arguments.length===1&&Array.isArray(e)?this.copy(e):this.identity()}copy(e){return this[0]=e[0],this[1]=e[1],this[2]=e[2],this[3]=e[3],this[4]=e[4],this[5]=e[5],this[6]=e[6],this[7]=e[7],this[8]=e[8],this[9]=e[9],this[10]=e[10],this[11]=e[11],this[12]=e[12],this[13]=e[13],this[14]=e[14],this[15]=e[15],this.check()}set(e,r,n,i,s,o,a,c,l,f,u,d,h,p,m,g){return this[0]=e,this[1]=r,this[2]=n,this[3]=i,this[4]=s,this[5]=o,this[6]=a,this[7]=c,this[8]=l,this[9]=f,this[10]=u,this[11]=d,this[12]=h,this[13]=p,this[14]=m,this[15]=g,this.check()}setRowMajor(e,r,n,i,s,o,a,c,l,f,u,d,h,p,m,g){return this[0]=e,this[1]=s,this[2]=l,this[3]=h,this[4]=r,this[5]=o,this[6]=f,this[7]=p,this[8]=n,this[9]=a,this[10]=u,this[11]=m,this[12]=i,this[13]=c,this[14]=d,this[15]=g,this.check()}toRowMajor(e){return e[0]=this[0],e[1]=this[4],e[2]=this[8],e[3]=this[12],e[4]=this[1],e[5]=this[5],e[6]=this[9],e[7]=this[13],e[8]=this[2],e[9]=this[6],e[10]=this[10],e[11]=this[14],e[12]=this[3],e[13]=this[7],e[14]=this[11],e[15]=this[15],e}identity(){return this.copy(ek)}fromObject(e){return this.check()}fromQuaternion(e){return Jh(this,e),this.check()}frustum(e){let{left:r,right:n,bottom:i,top:s,near:o=lp,far:a=fp}=e;return a===1/0?nk(this,r,n,i,s,o):ep(this,r,n,i,s,o,a),this.check()}lookAt(e){let{eye:r,center:n=[0,0,0],up:i=[0,1,0]}=e;return np(this,r,n,i),this.check()}ortho(e){let{left:r,right:n,bottom:i,top:s,near:o=lp,far:a=fp}=e;return rp(this,r,n,i,s,o,a),this.check()}orthographic(e){let{fovy:r=QR,aspect:n=JR,focalDistance:i=1,near:s=lp,far:o=fp}=e;C0(r);let a=r/2,c=i*Math.tan(a),l=c*n;return this.ortho({left:-l,right:l,bottom:-c,top:c,near:s,far:o})}perspective(e){let{fovy:r=45*Math.PI/180,aspect:n=1,near:i=.1,far:s=500}=e;return C0(r),tp(this,r,n,i,s),this.check()}determinant(){return Hh(this)}getScale(e=[-0,-0,-0]){return e[0]=Math.sqrt(this[0]*this[0]+this[1]*this[1]+this[2]*this[2]),e[1]=Math.sqrt(this[4]*this[4]+this[5]*this[5]+this[6]*this[6]),e[2]=Math.sqrt(this[8]*this[8]+this[9]*this[9]+this[10]*this[10]),e}getTranslation(e=[-0,-0,-0]){return e[0]=this[12],e[1]=this[13],e[2]=this[14],e}getRotation(e,r){e=e||[-0,-0,-0,-0,-0,-0,-0,-0,-0,-0,-0,-0,-0,-0,-0,-0],r=r||[-0,-0,-0];let n=this.getScale(r),i=1/n[0],s=1/n[1],o=1/n[2];return e[0]=this[0]*i,e[1]=this[1]*s,e[2]=this[2]*o,e[3]=0,e[4]=this[4]*i,e[5]=this[5]*s,e[6]=this[6]*o,e[7]=0,e[8]=this[8]*i,e[9]=this[9]*s,e[10]=this[10]*o,e[11]=0,e[12]=0,e[13]=0,e[14]=0,e[15]=1,e}getRotationMatrix3(e,r){e=e||[-0,-0,-0,-0,-0,-0,-0,-0,-0],r=r||[-0,-0,-0];let n=this.getScale(r),i=1/n[0],s=1/n[1],o=1/n[2];return e[0]=this[0]*i,e[1]=this[1]*s,e[2]=this[2]*o,e[3]=this[4]*i,e[4]=this[5]*s,e[5]=this[6]*o,e[6]=this[8]*i,e[7]=this[9]*s,e[8]=this[10]*o,e}transpose(){return Wh(this,this),this.check()}invert(){return jh(this,this),this.check()}multiplyLeft(e){return po(this,e,this),this.check()}multiplyRight(e){return po(this,this,e),this.check()}rotateX(e){return Zh(this,this,e),this.check()}rotateY(e){return Kh(this,this,e),this.check()}rotateZ(e){return Qh(this,this,e),this.check()}rotateXYZ(e){return this.rotateX(e[0]).rotateY(e[1]).rotateZ(e[2])}rotateAxis(e,r){return Xh(this,this,e,r),this.check()}scale(e){return qh(this,this,Array.isArray(e)?e:[e,e,e]),this.check()}translate(e){return Yh(this,this,e),this.check()}transform(e,r){return e.length===4?(r=cp(r||[-0,-0,-0,-0],e,this),Kc(r,4),r):this.transformAsPoint(e,r)}transformAsPoint(e,r){let{length:n}=e,i;switch(n){case 2:i=Ih(r||[-0,-0],e,this);break;case 3:i=uo(r||[-0,-0,-0],e,this);break;default:throw new Error("Illegal vector")}return Kc(i,e.length),i}transformAsVector(e,r){let n;switch(e.length){case 2:n=Xb(r||[-0,-0],e,this);break;case 3:n=Jc(r||[-0,-0,-0],e,this);break;default:throw new Error("Illegal vector")}return Kc(n,e.length),n}transformPoint(e,r){return this.transformAsPoint(e,r)}transformVector(e,r){return this.transformAsPoint(e,r)}transformDirection(e,r){return this.transformAsVector(e,r)}makeRotationX(e){return this.identity().rotateX(e)}makeTranslation(e,r,n){return this.identity().translate([e,r,n])}}});function I0(){let t=new J(4);return J!=Float32Array&&(t[0]=0,t[1]=0,t[2]=0),t[3]=1,t}function ik(t,e,r){r=r*.5;let n=Math.sin(r);return t[0]=n*e[0],t[1]=n*e[1],t[2]=n*e[2],t[3]=Math.cos(r),t}function dp(t,e,r,n){let i=e[0],s=e[1],o=e[2],a=e[3],c=r[0],l=r[1],f=r[2],u=r[3],d,h,p,m,g;return d=i*c+s*l+o*f+a*u,d<0&&(d=-d,c=-c,l=-l,f=-f,u=-u),1-d>1e-6?(h=Math.acos(d),g=Math.sin(h),p=Math.sin((1-n)*h)/g,m=Math.sin(n*h)/g):(p=1-n,m=n),t[0]=p*i+m*c,t[1]=p*s+m*l,t[2]=p*o+m*f,t[3]=p*a+m*u,t}function sk(t,e){let r=e[0]+e[4]+e[8],n;if(r>0)n=Math.sqrt(r+1),t[3]=.5*n,n=.5/n,t[0]=(e[5]-e[7])*n,t[1]=(e[6]-e[2])*n,t[2]=(e[1]-e[3])*n;else{let i=0;e[4]>e[0]&&(i=1),e[8]>e[i*3+i]&&(i=2);let s=(i+1)%3,o=(i+2)%3;n=Math.sqrt(e[i*3+i]-e[s*3+s]-e[o*3+o]+1),t[i]=.5*n,n=.5/n,t[3]=(e[s*3+o]-e[o*3+s])*n,t[s]=(e[s*3+i]+e[i*3+s])*n,t[o]=(e[o*3+i]+e[i*3+o])*n}return t}var R0,Z9,K9,Q9,k0=b(()=>{En();Vh();ho();il();R0=ap,Z9=(function(){let t=el(),e=tl(1,0,0),r=tl(0,1,0);return function(n,i,s){let o=fo(i,s);return o<-.999999?(Sn(t,e,i),$h(t)<1e-6&&Sn(t,r,i),Oh(t,t),ik(n,t,Math.PI),n):o>.999999?(n[0]=0,n[1]=0,n[2]=0,n[3]=1,n):(Sn(t,i,s),n[0]=t[0],n[1]=t[1],n[2]=t[2],n[3]=1+o,R0(n,n))}})(),K9=(function(){let t=I0(),e=I0();return function(r,n,i,s,o,a){return dp(t,n,o,a),dp(e,i,s,a),dp(r,t,e,2*a*(1-a)),r}})(),Q9=(function(){let t=o0();return function(e,r,n,i){return t[0]=n[0],t[3]=n[1],t[6]=n[2],t[1]=i[0],t[4]=i[1],t[7]=i[2],t[2]=-r[0],t[5]=-r[1],t[8]=-r[2],R0(e,sk(e,t))}})()});var J9,eY,tY,rY,O0=b(()=>{J9=Math.PI/2,eY=Math.PI/4,tY=Math.PI/6,rY=Math.PI*2});var _e=b(()=>{i0();M0();O0();wi();Vh();ip();k0();Rh();ho();il()});function hp(t,e=[],r=0){let n=Math.fround(t),i=t-n;return e[r]=n,e[r+1]=i,e}function B0(t){return t-Math.fround(t)}function D0(t){let e=new Float32Array(32);for(let r=0;r<4;++r)for(let n=0;n<4;++n){let i=r*4+n;hp(t[n*4+r],e,i*2)}return e}var N0=b(()=>{});function F0(t,e=!0){return t??e}function ck(t=[0,0,0],e=!0){return e?t.map(r=>r/255):[...t]}function z0(t,e=!0){let r=ck(t.slice(0,3),e),n=Number.isFinite(t[3]),i=n?t[3]:1;return[r[0],r[1],r[2],e&&n?i/255:i]}var U0=b(()=>{});var lk,fk,Tn,$0=b(()=>{lk=`#ifdef LUMA_FP32_TAN_PRECISION_WORKAROUND

// All these functions are for substituting tan() function from Intel GPU only
const float TWO_PI = 6.2831854820251465;
const float PI_2 = 1.5707963705062866;
const float PI_16 = 0.1963495463132858;

const float SIN_TABLE_0 = 0.19509032368659973;
const float SIN_TABLE_1 = 0.3826834261417389;
const float SIN_TABLE_2 = 0.5555702447891235;
const float SIN_TABLE_3 = 0.7071067690849304;

const float COS_TABLE_0 = 0.9807852506637573;
const float COS_TABLE_1 = 0.9238795042037964;
const float COS_TABLE_2 = 0.8314695954322815;
const float COS_TABLE_3 = 0.7071067690849304;

const float INVERSE_FACTORIAL_3 = 1.666666716337204e-01; // 1/3!
const float INVERSE_FACTORIAL_5 = 8.333333767950535e-03; // 1/5!
const float INVERSE_FACTORIAL_7 = 1.9841270113829523e-04; // 1/7!
const float INVERSE_FACTORIAL_9 = 2.75573188446287533e-06; // 1/9!

float sin_taylor_fp32(float a) {
  float r, s, t, x;

  if (a == 0.0) {
    return 0.0;
  }

  x = -a * a;
  s = a;
  r = a;

  r = r * x;
  t = r * INVERSE_FACTORIAL_3;
  s = s + t;

  r = r * x;
  t = r * INVERSE_FACTORIAL_5;
  s = s + t;

  r = r * x;
  t = r * INVERSE_FACTORIAL_7;
  s = s + t;

  r = r * x;
  t = r * INVERSE_FACTORIAL_9;
  s = s + t;

  return s;
}

void sincos_taylor_fp32(float a, out float sin_t, out float cos_t) {
  if (a == 0.0) {
    sin_t = 0.0;
    cos_t = 1.0;
  }
  sin_t = sin_taylor_fp32(a);
  cos_t = sqrt(1.0 - sin_t * sin_t);
}

float tan_taylor_fp32(float a) {
    float sin_a;
    float cos_a;

    if (a == 0.0) {
        return 0.0;
    }

    // 2pi range reduction
    float z = floor(a / TWO_PI);
    float r = a - TWO_PI * z;

    float t;
    float q = floor(r / PI_2 + 0.5);
    int j = int(q);

    if (j < -2 || j > 2) {
        return 1.0 / 0.0;
    }

    t = r - PI_2 * q;

    q = floor(t / PI_16 + 0.5);
    int k = int(q);
    int abs_k = int(abs(float(k)));

    if (abs_k > 4) {
        return 1.0 / 0.0;
    } else {
        t = t - PI_16 * q;
    }

    float u = 0.0;
    float v = 0.0;

    float sin_t, cos_t;
    float s, c;
    sincos_taylor_fp32(t, sin_t, cos_t);

    if (k == 0) {
        s = sin_t;
        c = cos_t;
    } else {
        if (abs(float(abs_k) - 1.0) < 0.5) {
            u = COS_TABLE_0;
            v = SIN_TABLE_0;
        } else if (abs(float(abs_k) - 2.0) < 0.5) {
            u = COS_TABLE_1;
            v = SIN_TABLE_1;
        } else if (abs(float(abs_k) - 3.0) < 0.5) {
            u = COS_TABLE_2;
            v = SIN_TABLE_2;
        } else if (abs(float(abs_k) - 4.0) < 0.5) {
            u = COS_TABLE_3;
            v = SIN_TABLE_3;
        }
        if (k > 0) {
            s = u * sin_t + v * cos_t;
            c = u * cos_t - v * sin_t;
        } else {
            s = u * sin_t - v * cos_t;
            c = u * cos_t + v * sin_t;
        }
    }

    if (j == 0) {
        sin_a = s;
        cos_a = c;
    } else if (j == 1) {
        sin_a = c;
        cos_a = -s;
    } else if (j == -1) {
        sin_a = -c;
        cos_a = s;
    } else {
        sin_a = -s;
        cos_a = -c;
    }
    return sin_a / cos_a;
}
#endif

float tan_fp32(float a) {
#ifdef LUMA_FP32_TAN_PRECISION_WORKAROUND
  return tan_taylor_fp32(a);
#else
  return tan(a);
#endif
}
`,fk=`#ifdef LUMA_FP32_TAN_PRECISION_WORKAROUND
const FP32_TWO_PI: f32 = 6.2831854820251465;
const FP32_PI_2: f32 = 1.5707963705062866;
const FP32_PI_16: f32 = 0.1963495463132858;

const FP32_SIN_TABLE_0: f32 = 0.19509032368659973;
const FP32_SIN_TABLE_1: f32 = 0.3826834261417389;
const FP32_SIN_TABLE_2: f32 = 0.5555702447891235;
const FP32_SIN_TABLE_3: f32 = 0.7071067690849304;

const FP32_COS_TABLE_0: f32 = 0.9807852506637573;
const FP32_COS_TABLE_1: f32 = 0.9238795042037964;
const FP32_COS_TABLE_2: f32 = 0.8314695954322815;
const FP32_COS_TABLE_3: f32 = 0.7071067690849304;

const FP32_INVERSE_FACTORIAL_3: f32 = 1.666666716337204e-01;
const FP32_INVERSE_FACTORIAL_5: f32 = 8.333333767950535e-03;
const FP32_INVERSE_FACTORIAL_7: f32 = 1.9841270113829523e-04;
const FP32_INVERSE_FACTORIAL_9: f32 = 2.75573188446287533e-06;
const FP32_OVERFLOW: f32 = 3.402823466e+38;

fn sin_taylor_fp32(a: f32) -> f32 {
  if (a == 0.0) {
    return 0.0;
  }

  let x = -a * a;
  var sum = a;
  var term = a;

  term = term * x;
  sum = sum + term * FP32_INVERSE_FACTORIAL_3;
  term = term * x;
  sum = sum + term * FP32_INVERSE_FACTORIAL_5;
  term = term * x;
  sum = sum + term * FP32_INVERSE_FACTORIAL_7;
  term = term * x;
  sum = sum + term * FP32_INVERSE_FACTORIAL_9;

  return sum;
}

fn tan_taylor_fp32(a: f32) -> f32 {
  if (a == 0.0) {
    return 0.0;
  }

  let z = floor(a / FP32_TWO_PI);
  let reduced = a - FP32_TWO_PI * z;

  var quadrantValue = floor(reduced / FP32_PI_2 + 0.5);
  let quadrant = i32(quadrantValue);
  if (quadrant < -2 || quadrant > 2) {
    return FP32_OVERFLOW;
  }

  var angle = reduced - FP32_PI_2 * quadrantValue;
  quadrantValue = floor(angle / FP32_PI_16 + 0.5);
  let tableIndex = i32(quadrantValue);
  let absoluteTableIndex = abs(tableIndex);
  if (absoluteTableIndex > 4) {
    return FP32_OVERFLOW;
  }

  angle = angle - FP32_PI_16 * quadrantValue;
  let sinAngle = sin_taylor_fp32(angle);
  let cosAngle = sqrt(1.0 - sinAngle * sinAngle);

  var tableCos = 0.0;
  var tableSin = 0.0;
  if (absoluteTableIndex == 1) {
    tableCos = FP32_COS_TABLE_0;
    tableSin = FP32_SIN_TABLE_0;
  } else if (absoluteTableIndex == 2) {
    tableCos = FP32_COS_TABLE_1;
    tableSin = FP32_SIN_TABLE_1;
  } else if (absoluteTableIndex == 3) {
    tableCos = FP32_COS_TABLE_2;
    tableSin = FP32_SIN_TABLE_2;
  } else if (absoluteTableIndex == 4) {
    tableCos = FP32_COS_TABLE_3;
    tableSin = FP32_SIN_TABLE_3;
  }

  var sinReduced = sinAngle;
  var cosReduced = cosAngle;
  if (tableIndex > 0) {
    sinReduced = tableCos * sinAngle + tableSin * cosAngle;
    cosReduced = tableCos * cosAngle - tableSin * sinAngle;
  } else if (tableIndex < 0) {
    sinReduced = tableCos * sinAngle - tableSin * cosAngle;
    cosReduced = tableCos * cosAngle + tableSin * sinAngle;
  }

  var sinValue = 0.0;
  var cosValue = 0.0;
  if (quadrant == 0) {
    sinValue = sinReduced;
    cosValue = cosReduced;
  } else if (quadrant == 1) {
    sinValue = cosReduced;
    cosValue = -sinReduced;
  } else if (quadrant == -1) {
    sinValue = -cosReduced;
    cosValue = sinReduced;
  } else {
    sinValue = -sinReduced;
    cosValue = -cosReduced;
  }

  return sinValue / cosValue;
}

fn tan_fp32(a: f32) -> f32 {
  return tan_taylor_fp32(a);
}
#else
fn tan_fp32(a: f32) -> f32 {
  return tan(a);
}
#endif
`,Tn={name:"fp32",source:fk,vs:lk}});var pp,G0=b(()=>{pp=`
layout(std140) uniform fp64arithmeticUniforms {
  uniform float ONE;
  uniform float SPLIT;
} fp64;

/*
About LUMA_FP64_CODE_ELIMINATION_WORKAROUND

The purpose of this workaround is to prevent shader compilers from
optimizing away necessary arithmetic operations by swapping their sequences
or transform the equation to some 'equivalent' form.

These helpers implement Dekker/Veltkamp-style error tracking. If the compiler
folds constants or reassociates the arithmetic, the high/low split can stop
tracking the rounding error correctly. That failure mode tends to look fine in
simple coordinate setup, but then breaks down inside iterative arithmetic such
as fp64 Mandelbrot loops.

The method is to multiply an artifical variable, ONE, which will be known to
the compiler to be 1 only at runtime. The whole expression is then represented
as a polynomial with respective to ONE. In the coefficients of all terms, only one a
and one b should appear

err = (a + b) * ONE^6 - a * ONE^5 - (a + b) * ONE^4 + a * ONE^3 - b - (a + b) * ONE^2 + a * ONE
*/

float prevent_fp64_optimization(float value) {
#if defined(LUMA_FP64_CODE_ELIMINATION_WORKAROUND)
  return value + fp64.ONE * 0.0;
#else
  return value;
#endif
}

// Divide float number to high and low floats to extend fraction bits
vec2 split(float a) {
  // Keep SPLIT as a runtime uniform so the compiler cannot fold the Dekker
  // split into a constant expression and reassociate the recovery steps.
  float split = prevent_fp64_optimization(fp64.SPLIT);
  float t = prevent_fp64_optimization(a * split);
  float temp = t - a;
  float a_hi = t - temp;
  float a_lo = a - a_hi;
  return vec2(a_hi, a_lo);
}

// Divide float number again when high float uses too many fraction bits
vec2 split2(vec2 a) {
  vec2 b = split(a.x);
  b.y += a.y;
  return b;
}

// Special sum operation when a > b
vec2 quickTwoSum(float a, float b) {
#if defined(LUMA_FP64_CODE_ELIMINATION_WORKAROUND)
  float sum = (a + b) * fp64.ONE;
  float err = b - (sum - a) * fp64.ONE;
#else
  float sum = a + b;
  float err = b - (sum - a);
#endif
  return vec2(sum, err);
}

// General sum operation
vec2 twoSum(float a, float b) {
  float s = (a + b);
#if defined(LUMA_FP64_CODE_ELIMINATION_WORKAROUND)
  float v = (s * fp64.ONE - a) * fp64.ONE;
  float err = (a - (s - v) * fp64.ONE) * fp64.ONE * fp64.ONE * fp64.ONE + (b - v);
#else
  float v = s - a;
  float err = (a - (s - v)) + (b - v);
#endif
  return vec2(s, err);
}

vec2 twoSub(float a, float b) {
  float s = (a - b);
#if defined(LUMA_FP64_CODE_ELIMINATION_WORKAROUND)
  float v = (s * fp64.ONE - a) * fp64.ONE;
  float err = (a - (s - v) * fp64.ONE) * fp64.ONE * fp64.ONE * fp64.ONE - (b + v);
#else
  float v = s - a;
  float err = (a - (s - v)) - (b + v);
#endif
  return vec2(s, err);
}

vec2 twoSqr(float a) {
  float prod = a * a;
  vec2 a_fp64 = split(a);
#if defined(LUMA_FP64_CODE_ELIMINATION_WORKAROUND)
  float err = ((a_fp64.x * a_fp64.x - prod) * fp64.ONE + 2.0 * a_fp64.x *
    a_fp64.y * fp64.ONE * fp64.ONE) + a_fp64.y * a_fp64.y * fp64.ONE * fp64.ONE * fp64.ONE;
#else
  float err = ((a_fp64.x * a_fp64.x - prod) + 2.0 * a_fp64.x * a_fp64.y) + a_fp64.y * a_fp64.y;
#endif
  return vec2(prod, err);
}

vec2 twoProd(float a, float b) {
  float prod = a * b;
  vec2 a_fp64 = split(a);
  vec2 b_fp64 = split(b);
  // twoProd is especially sensitive because mul_fp64 and div_fp64 both depend
  // on the split terms and cross terms staying in the original evaluation
  // order. If the compiler folds or reassociates them, the low part tends to
  // collapse to zero or NaN on some drivers.
  float highProduct = prevent_fp64_optimization(a_fp64.x * b_fp64.x);
  float crossProduct1 = prevent_fp64_optimization(a_fp64.x * b_fp64.y);
  float crossProduct2 = prevent_fp64_optimization(a_fp64.y * b_fp64.x);
  float lowProduct = prevent_fp64_optimization(a_fp64.y * b_fp64.y);
#if defined(LUMA_FP64_CODE_ELIMINATION_WORKAROUND)
  float err1 = (highProduct - prod) * fp64.ONE;
  float err2 = crossProduct1 * fp64.ONE * fp64.ONE;
  float err3 = crossProduct2 * fp64.ONE * fp64.ONE * fp64.ONE;
  float err4 = lowProduct * fp64.ONE * fp64.ONE * fp64.ONE * fp64.ONE;
#else
  float err1 = highProduct - prod;
  float err2 = crossProduct1;
  float err3 = crossProduct2;
  float err4 = lowProduct;
#endif
  float err = ((err1 + err2) + err3) + err4;
  return vec2(prod, err);
}

vec2 sum_fp64(vec2 a, vec2 b) {
  vec2 s, t;
  s = twoSum(a.x, b.x);
  t = twoSum(a.y, b.y);
  s.y += t.x;
  s = quickTwoSum(s.x, s.y);
  s.y += t.y;
  s = quickTwoSum(s.x, s.y);
  return s;
}

vec2 sub_fp64(vec2 a, vec2 b) {
  vec2 s, t;
  s = twoSub(a.x, b.x);
  t = twoSub(a.y, b.y);
  s.y += t.x;
  s = quickTwoSum(s.x, s.y);
  s.y += t.y;
  s = quickTwoSum(s.x, s.y);
  return s;
}

vec2 mul_fp64(vec2 a, vec2 b) {
  vec2 prod = twoProd(a.x, b.x);
  // y component is for the error
  prod.y += a.x * b.y;
#if defined(LUMA_FP64_HIGH_BITS_OVERFLOW_WORKAROUND)
  prod = split2(prod);
#endif
  prod = quickTwoSum(prod.x, prod.y);
  prod.y += a.y * b.x;
#if defined(LUMA_FP64_HIGH_BITS_OVERFLOW_WORKAROUND)
  prod = split2(prod);
#endif
  prod = quickTwoSum(prod.x, prod.y);
  return prod;
}

vec2 div_fp64(vec2 a, vec2 b) {
  float xn = 1.0 / b.x;
#if defined(LUMA_FP64_HIGH_BITS_OVERFLOW_WORKAROUND)
  vec2 yn = mul_fp64(a, vec2(xn, 0));
#else
  vec2 yn = a * xn;
#endif
  float diff = (sub_fp64(a, mul_fp64(b, yn))).x;
  vec2 prod = twoProd(xn, diff);
  return sum_fp64(yn, prod);
}

vec2 sqrt_fp64(vec2 a) {
  if (a.x == 0.0 && a.y == 0.0) return vec2(0.0, 0.0);
  if (a.x < 0.0) return vec2(0.0 / 0.0, 0.0 / 0.0);

  float x = 1.0 / sqrt(a.x);
  float yn = a.x * x;
#if defined(LUMA_FP64_CODE_ELIMINATION_WORKAROUND)
  vec2 yn_sqr = twoSqr(yn) * fp64.ONE;
#else
  vec2 yn_sqr = twoSqr(yn);
#endif
  float diff = sub_fp64(a, yn_sqr).x;
  vec2 prod = twoProd(x * 0.5, diff);
#if defined(LUMA_FP64_HIGH_BITS_OVERFLOW_WORKAROUND)
  return sum_fp64(split(yn), prod);
#else
  return sum_fp64(vec2(yn, 0.0), prod);
#endif
}
`});var V0,W0=b(()=>{V0=`struct Fp64F32Bits {
  sign: u32,
  baseExponent: i32,
  significand: u32,
  isZero: bool,
  isInf: bool,
  isNan: bool,
};

// Decode an f32 as (-1)^sign * significand * 2^baseExponent.
fn fp64_decode_f32_bits(bits: u32) -> Fp64F32Bits {
  let sign = bits >> 31u;
  let exponentBits = (bits >> 23u) & 0xffu;
  let fraction = bits & 0x7fffffu;

  if (exponentBits == 0xffu) {
    return Fp64F32Bits(sign, 0, 0u, false, fraction == 0u, fraction != 0u);
  }
  if (exponentBits == 0u) {
    return Fp64F32Bits(sign, -149, fraction, fraction == 0u, false, false);
  }
  return Fp64F32Bits(sign, i32(exponentBits) - 150, 0x800000u | fraction, false, false, false);
}

fn fp64_f32_magnitude_compare(aBits: u32, bBits: u32) -> i32 {
  let aMagnitude = aBits & 0x7fffffffu;
  let bMagnitude = bBits & 0x7fffffffu;
  if (aMagnitude == bMagnitude) {
    return 0;
  }
  return select(-1, 1, aMagnitude > bMagnitude);
}

fn fp64_make_residual_f32_bits(
  exactSign: u32,
  exactMagnitude: vec2u,
  exactBaseExponent: i32,
  highBits: u32
) -> u32 {
  if (fp64_u64_is_zero(exactMagnitude)) {
    return 0u;
  }

  let high = fp64_decode_f32_bits(highBits);
  if (high.isInf || high.isNan) {
    return exactSign << 31u;
  }
  if (high.isZero) {
    return fp64_make_f32_bits_from_u64(exactSign, exactMagnitude, exactBaseExponent);
  }

  let commonBaseExponent = min(exactBaseExponent, high.baseExponent);
  let exactShift = exactBaseExponent - commonBaseExponent;
  let highShift = high.baseExponent - commonBaseExponent;

  // A normal two-sum/two-product residual never needs a shift this large.
  // This guard gives deterministic underflow behavior outside that contract.
  if (exactShift >= 64 || highShift >= 64) {
    return exactSign << 31u;
  }

  let exactAligned = fp64_u64_shift_left(exactMagnitude, u32(exactShift));
  let highAligned = fp64_u64_shift_left(vec2u(0u, high.significand), u32(highShift));
  let comparison = fp64_u64_compare(exactAligned, highAligned);
  if (comparison == 0) {
    return 0u;
  }

  var residualSign = exactSign;
  var residualMagnitude: vec2u;
  if (comparison > 0) {
    residualMagnitude = fp64_u64_sub(exactAligned, highAligned);
  } else {
    residualSign = exactSign ^ 1u;
    residualMagnitude = fp64_u64_sub(highAligned, exactAligned);
  }
  return fp64_make_f32_bits_from_u64(
    residualSign,
    residualMagnitude,
    commonBaseExponent
  );
}

fn fp64_split_accumulator_bits(
  sign: u32,
  magnitude: vec2u,
  baseExponent: i32
) -> vec2u {
  let highBits = fp64_make_f32_bits_from_u64(sign, magnitude, baseExponent);
  let lowBits = fp64_make_residual_f32_bits(sign, magnitude, baseExponent, highBits);
  return vec2u(highBits, lowBits);
}

fn fp64_two_sum_integer_bits(aBits: u32, bBits: u32) -> vec2u {
  let a = fp64_decode_f32_bits(aBits);
  let b = fp64_decode_f32_bits(bBits);

  if (a.isNan || b.isNan) {
    return vec2u(0x7fc00000u, 0u);
  }
  if (a.isInf || b.isInf) {
    if (a.isInf && b.isInf && a.sign != b.sign) {
      return vec2u(0x7fc00000u, 0u);
    }
    return select(vec2u(bBits, 0u), vec2u(aBits, 0u), a.isInf);
  }
  if (a.isZero && b.isZero) {
    return vec2u((a.sign & b.sign) << 31u, 0u);
  }
  if (a.isZero) {
    return vec2u(bBits, 0u);
  }
  if (b.isZero) {
    return vec2u(aBits, 0u);
  }

  let exponentDifference = select(
    b.baseExponent - a.baseExponent,
    a.baseExponent - b.baseExponent,
    a.baseExponent >= b.baseExponent
  );

  // Beyond half an ulp, rounding cannot change the larger operand. Returning
  // the smaller operand intact also avoids an unbounded integer alignment.
  // At a power-of-two boundary the spacing below the larger operand is half
  // the spacing above it, so an opposite-sign gap-25 operand can still change
  // the rounded high limb. Gap 26 is the first universally safe early-out.
  if (exponentDifference > 25) {
    if (fp64_f32_magnitude_compare(aBits, bBits) >= 0) {
      return vec2u(aBits, bBits);
    }
    return vec2u(bBits, aBits);
  }

  let commonBaseExponent = min(a.baseExponent, b.baseExponent);
  let aMagnitude = fp64_u64_shift_left(
    vec2u(0u, a.significand),
    u32(a.baseExponent - commonBaseExponent)
  );
  let bMagnitude = fp64_u64_shift_left(
    vec2u(0u, b.significand),
    u32(b.baseExponent - commonBaseExponent)
  );

  var resultSign = a.sign;
  var resultMagnitude: vec2u;
  if (a.sign == b.sign) {
    resultMagnitude = fp64_u64_add(aMagnitude, bMagnitude);
  } else {
    let comparison = fp64_u64_compare(aMagnitude, bMagnitude);
    if (comparison == 0) {
      return vec2u(0u, 0u);
    }
    if (comparison > 0) {
      resultMagnitude = fp64_u64_sub(aMagnitude, bMagnitude);
    } else {
      resultSign = b.sign;
      resultMagnitude = fp64_u64_sub(bMagnitude, aMagnitude);
    }
  }

  return fp64_split_accumulator_bits(resultSign, resultMagnitude, commonBaseExponent);
}

fn fp64_two_sum_integer(a: f32, b: f32) -> vec2f {
  let resultBits = fp64_two_sum_integer_bits(bitcast<u32>(a), bitcast<u32>(b));
  return vec2f(bitcast<f32>(resultBits.x), bitcast<f32>(resultBits.y));
}

fn fp64_multiply_significands(a: u32, b: u32) -> vec2u {
  let aLow = a & 0xffffu;
  let aHigh = a >> 16u;
  let bLow = b & 0xffffu;
  let bHigh = b >> 16u;
  let lowProduct = aLow * bLow;
  let crossProduct = aLow * bHigh + aHigh * bLow;
  let highProduct = aHigh * bHigh;

  var result = vec2u(0u, lowProduct);
  result = fp64_u64_add(
    result,
    fp64_u64_shift_left(vec2u(0u, crossProduct), 16u)
  );
  result = fp64_u64_add(result, vec2u(highProduct, 0u));
  return result;
}

fn fp64_two_prod_integer_bits(aBits: u32, bBits: u32) -> vec2u {
  let a = fp64_decode_f32_bits(aBits);
  let b = fp64_decode_f32_bits(bBits);
  let resultSign = a.sign ^ b.sign;

  if (a.isNan || b.isNan || ((a.isZero || b.isZero) && (a.isInf || b.isInf))) {
    return vec2u(0x7fc00000u, 0u);
  }
  if (a.isInf || b.isInf) {
    return vec2u((resultSign << 31u) | 0x7f800000u, resultSign << 31u);
  }
  if (a.isZero || b.isZero) {
    return vec2u(resultSign << 31u, resultSign << 31u);
  }

  let magnitude = fp64_multiply_significands(a.significand, b.significand);
  return fp64_split_accumulator_bits(
    resultSign,
    magnitude,
    a.baseExponent + b.baseExponent
  );
}

fn fp64_two_prod_integer(a: f32, b: f32) -> vec2f {
  let resultBits = fp64_two_prod_integer_bits(bitcast<u32>(a), bitcast<u32>(b));
  return vec2f(bitcast<f32>(resultBits.x), bitcast<f32>(resultBits.y));
}

fn fp64_round_add_integer(a: f32, b: f32) -> f32 {
  return fp64_two_sum_integer(a, b).x;
}

fn fp64_round_mul_integer(a: f32, b: f32) -> f32 {
  return fp64_two_prod_integer(a, b).x;
}

#ifndef LUMA_FP64_PREDICATE_ONLY
fn fp64_f32_finite_exponent(value: Fp64F32Bits) -> i32 {
  let mostSignificantBit = 31u - countLeadingZeros(value.significand);
  return value.baseExponent + i32(mostSignificantBit);
}

fn fp64_scale_f32_integer(value: f32, exponent: i32) -> f32 {
  let decoded = fp64_decode_f32_bits(bitcast<u32>(value));
  if (decoded.isZero || decoded.isInf || decoded.isNan) {
    return value;
  }
  let resultBits = fp64_make_f32_bits_from_u64(
    decoded.sign,
    vec2u(0u, decoded.significand),
    decoded.baseExponent + exponent
  );
  return bitcast<f32>(resultBits);
}

// Divide normalized significands so the hardware operation cannot overflow,
// underflow, or flush a subnormal result. Reapply the exponent with integer
// packing, which also produces subnormal correction limbs without relying on
// floating-point arithmetic to preserve them.
fn fp64_divide_f32_integer(aValue: f32, bValue: f32) -> f32 {
  let a = fp64_decode_f32_bits(bitcast<u32>(aValue));
  let b = fp64_decode_f32_bits(bitcast<u32>(bValue));
  if (a.isZero || b.isZero || a.isInf || b.isInf || a.isNan || b.isNan) {
    return aValue / bValue;
  }

  let aMostSignificantBit = 31u - countLeadingZeros(a.significand);
  let bMostSignificantBit = 31u - countLeadingZeros(b.significand);
  let normalizedABits = fp64_make_f32_bits_from_u64(
    a.sign,
    vec2u(0u, a.significand),
    -i32(aMostSignificantBit)
  );
  let normalizedBBits = fp64_make_f32_bits_from_u64(
    b.sign,
    vec2u(0u, b.significand),
    -i32(bMostSignificantBit)
  );
  let normalizedQuotient = bitcast<f32>(normalizedABits) / bitcast<f32>(normalizedBBits);
  let quotient = fp64_decode_f32_bits(bitcast<u32>(normalizedQuotient));
  let exponentShift =
    a.baseExponent + i32(aMostSignificantBit) -
    b.baseExponent - i32(bMostSignificantBit);
  let quotientBits = fp64_make_f32_bits_from_u64(
    quotient.sign,
    vec2u(0u, quotient.significand),
    quotient.baseExponent + exponentShift
  );
  return bitcast<f32>(quotientBits);
}
#endif

#ifndef LUMA_FP64_PREDICATE_ONLY
fn split(a: f32) -> vec2f {
  let aBits = bitcast<u32>(a);
  let decoded = fp64_decode_f32_bits(aBits);
  if (decoded.isZero || decoded.isInf || decoded.isNan) {
    return vec2f(a, 0.0);
  }

  var roundedHigh = decoded.significand >> 12u;
  let remainder = decoded.significand & 0xfffu;
  if (remainder > 0x800u || (remainder == 0x800u && (roundedHigh & 1u) == 1u)) {
    roundedHigh = roundedHigh + 1u;
  }
  var highMagnitude = vec2u(0u, roundedHigh << 12u);
  var highBits = fp64_make_f32_bits_from_u64(
    decoded.sign,
    highMagnitude,
    decoded.baseExponent
  );
  // Rounding the high limb of a maximum-exponent value can overflow even
  // though the original value is finite. Truncate only in that boundary case
  // so split remains an exact finite decomposition.
  if (fp64_decode_f32_bits(highBits).isInf) {
    roundedHigh = decoded.significand >> 12u;
    highMagnitude = vec2u(0u, roundedHigh << 12u);
    highBits = fp64_make_f32_bits_from_u64(
      decoded.sign,
      highMagnitude,
      decoded.baseExponent
    );
  }
  let lowBits = fp64_make_residual_f32_bits(
    decoded.sign,
    vec2u(0u, decoded.significand),
    decoded.baseExponent,
    highBits
  );
  return vec2f(bitcast<f32>(highBits), bitcast<f32>(lowBits));
}

fn split2(a: vec2f) -> vec2f {
  var result = split(a.x);
  result.y = fp64_round_add_integer(result.y, a.y);
  return result;
}
#endif

#ifndef LUMA_FP64_PREDICATE_ONLY
fn quickTwoSum(a: f32, b: f32) -> vec2f {
  return fp64_two_sum_integer(a, b);
}
#endif

fn twoSum(a: f32, b: f32) -> vec2f {
  return fp64_two_sum_integer(a, b);
}

fn twoSub(a: f32, b: f32) -> vec2f {
  let bBits = bitcast<u32>(b) ^ 0x80000000u;
  let resultBits = fp64_two_sum_integer_bits(bitcast<u32>(a), bBits);
  return vec2f(bitcast<f32>(resultBits.x), bitcast<f32>(resultBits.y));
}

#ifndef LUMA_FP64_PREDICATE_ONLY
fn twoSqr(a: f32) -> vec2f {
  return fp64_two_prod_integer(a, a);
}

fn twoProd(a: f32, b: f32) -> vec2f {
  return fp64_two_prod_integer(a, b);
}
#endif

fn sum_fp64(a: vec2f, b: vec2f) -> vec2f {
  var sum = fp64_two_sum_integer(a.x, b.x);
  let lowSum = fp64_two_sum_integer(a.y, b.y);
  sum.y = fp64_round_add_integer(sum.y, lowSum.x);
  sum = fp64_two_sum_integer(sum.x, sum.y);
  sum.y = fp64_round_add_integer(sum.y, lowSum.y);
  return fp64_two_sum_integer(sum.x, sum.y);
}

fn sub_fp64(a: vec2f, b: vec2f) -> vec2f {
  let negatedB = vec2f(
    bitcast<f32>(bitcast<u32>(b.x) ^ 0x80000000u),
    bitcast<f32>(bitcast<u32>(b.y) ^ 0x80000000u)
  );
  return sum_fp64(a, negatedB);
}

fn mul_fp64(a: vec2f, b: vec2f) -> vec2f {
  var product = fp64_two_prod_integer(a.x, b.x);
  let crossProduct1 = fp64_round_mul_integer(a.x, b.y);
  product.y = fp64_round_add_integer(product.y, crossProduct1);
  product = fp64_two_sum_integer(product.x, product.y);
  let crossProduct2 = fp64_round_mul_integer(a.y, b.x);
  product.y = fp64_round_add_integer(product.y, crossProduct2);
  return fp64_two_sum_integer(product.x, product.y);
}

#ifndef LUMA_FP64_PREDICATE_ONLY
fn fp64_scale_fp64_integer(value: vec2f, exponent: i32) -> vec2f {
  let high = fp64_scale_f32_integer(value.x, exponent);
  let low = fp64_scale_f32_integer(value.y, exponent);
  return sum_fp64(vec2f(high, 0.0), vec2f(low, 0.0));
}

fn fp64_div_fp64_normalized(a: vec2f, b: vec2f) -> vec2f {
  let quotientHigh = fp64_divide_f32_integer(a.x, b.x);
  var quotient = vec2f(quotientHigh, 0.0);

  let remainder = sub_fp64(a, mul_fp64(b, quotient));
  let quotientLow = fp64_divide_f32_integer(remainder.x, b.x);
  quotient = sum_fp64(quotient, vec2f(quotientLow, 0.0));

  let secondRemainder = sub_fp64(a, mul_fp64(b, quotient));
  let correction = fp64_divide_f32_integer(secondRemainder.x, b.x);
  return sum_fp64(quotient, vec2f(correction, 0.0));
}

fn div_fp64(a: vec2f, b: vec2f) -> vec2f {
  let decodedA = fp64_decode_f32_bits(bitcast<u32>(a.x));
  let decodedB = fp64_decode_f32_bits(bitcast<u32>(b.x));
  if (
    decodedA.isZero || decodedB.isZero ||
    decodedA.isInf || decodedB.isInf ||
    decodedA.isNan || decodedB.isNan
  ) {
    return fp64_div_fp64_normalized(a, b);
  }

  let exponentA = fp64_f32_finite_exponent(decodedA);
  let exponentB = fp64_f32_finite_exponent(decodedB);
  // Correct the quotient near unity so b * q and the remainder stay clear of
  // both f32 underflow and overflow. The exponent difference is applied once.
  let normalizedA = fp64_scale_fp64_integer(a, -exponentA);
  let normalizedB = fp64_scale_fp64_integer(b, -exponentB);
  let normalizedQuotient = fp64_div_fp64_normalized(normalizedA, normalizedB);
  return fp64_scale_fp64_integer(normalizedQuotient, exponentA - exponentB);
}

fn fp64_sqrt_fp64_normalized(a: vec2f) -> vec2f {
  let estimate = sqrt(a.x);
  let difference = sub_fp64(a, fp64_two_prod_integer(estimate, estimate)).x;
  let denominator = fp64_round_add_integer(estimate, estimate);
  let correction = fp64_divide_f32_integer(difference, denominator);
  return sum_fp64(vec2f(estimate, 0.0), vec2f(correction, 0.0));
}

fn sqrt_fp64(a: vec2f) -> vec2f {
  let decoded = fp64_decode_f32_bits(bitcast<u32>(a.x));
  let decodedLow = fp64_decode_f32_bits(bitcast<u32>(a.y));
  if (decoded.isZero && decodedLow.isZero) {
    return vec2f(0.0, 0.0);
  }
  if (decoded.sign == 1u) {
    let nanValue = fp64_nan(a.x);
    return vec2f(nanValue, nanValue);
  }

  if (decoded.isInf || decoded.isNan) {
    return fp64_sqrt_fp64_normalized(a);
  }
  let exponent = fp64_f32_finite_exponent(decoded);
  // An even scale lets the final square-root rescale use an integer exponent.
  let evenExponent = exponent - (exponent & 1);
  let normalizedA = fp64_scale_fp64_integer(a, -evenExponent);
  let normalizedRoot = fp64_sqrt_fp64_normalized(normalizedA);
  return fp64_scale_fp64_integer(normalizedRoot, evenExponent / 2);
}
#endif
`});var j0,H0=b(()=>{W0();j0=`struct Fp64ArithmeticUniforms {
  ONE: f32,
  SPLIT: f32,
};

@group(0) @binding(auto) var<uniform> fp64arithmetic : Fp64ArithmeticUniforms;

#ifndef LUMA_FP64_F32_INPUT_ONLY
struct Fp64Bits {
  sign: u32,
  exponent: i32,
  significand: vec2u,
  isZero: bool,
  isInf: bool,
  isNan: bool,
};
#endif

#ifndef LUMA_FP64_PREDICATE_ONLY
fn fp64_nan(seed: f32) -> f32 {
  let nanBits = 0x7fc00000u | select(0u, 1u, seed < 0.0);
  return bitcast<f32>(nanBits);
}
#endif

fn fp64_u64_is_zero(value: vec2u) -> bool {
  return value.x == 0u && value.y == 0u;
}

fn fp64_u64_compare(a: vec2u, b: vec2u) -> i32 {
  if (a.x != b.x) {
    return select(-1, 1, a.x > b.x);
  }
  if (a.y != b.y) {
    return select(-1, 1, a.y > b.y);
  }
  return 0;
}

fn fp64_u64_add(a: vec2u, b: vec2u) -> vec2u {
  let low = a.y + b.y;
  let carry = select(0u, 1u, low < a.y);
  return vec2u(a.x + b.x + carry, low);
}

fn fp64_u64_sub(a: vec2u, b: vec2u) -> vec2u {
  let borrow = select(0u, 1u, a.y < b.y);
  return vec2u(a.x - b.x - borrow, a.y - b.y);
}

fn fp64_u64_shift_left(value: vec2u, shift: u32) -> vec2u {
  if (shift == 0u) {
    return value;
  }
  if (shift < 32u) {
    return vec2u((value.x << shift) | (value.y >> (32u - shift)), value.y << shift);
  }
  if (shift == 32u) {
    return vec2u(value.y, 0u);
  }
  if (shift < 64u) {
    return vec2u(value.y << (shift - 32u), 0u);
  }
  return vec2u(0u);
}

fn fp64_u64_shift_right(value: vec2u, shift: u32) -> vec2u {
  if (shift == 0u) {
    return value;
  }
  if (shift < 32u) {
    return vec2u(value.x >> shift, (value.y >> shift) | (value.x << (32u - shift)));
  }
  if (shift == 32u) {
    return vec2u(0u, value.x);
  }
  if (shift < 64u) {
    return vec2u(0u, value.x >> (shift - 32u));
  }
  return vec2u(0u);
}

fn fp64_u64_get_bit(value: vec2u, bitIndex: u32) -> bool {
  if (bitIndex >= 64u) {
    return false;
  }
  if (bitIndex >= 32u) {
    return ((value.x >> (bitIndex - 32u)) & 1u) != 0u;
  }
  return ((value.y >> bitIndex) & 1u) != 0u;
}

fn fp64_u64_has_bits_below(value: vec2u, bitCount: u32) -> bool {
  if (bitCount == 0u) {
    return false;
  }
  if (bitCount >= 64u) {
    return !fp64_u64_is_zero(value);
  }
  if (bitCount > 32u) {
    let highBitCount = bitCount - 32u;
    let highMask = (1u << highBitCount) - 1u;
    return value.y != 0u || (value.x & highMask) != 0u;
  }
  if (bitCount == 32u) {
    return value.y != 0u;
  }
  let lowMask = (1u << bitCount) - 1u;
  return (value.y & lowMask) != 0u;
}

#ifndef LUMA_FP64_F32_INPUT_ONLY
fn fp64_u64_shift_right_sticky(value: vec2u, shift: u32) -> vec2u {
  var shifted = fp64_u64_shift_right(value, shift);
  if (fp64_u64_has_bits_below(value, shift)) {
    shifted.y = shifted.y | 1u;
  }
  return shifted;
}
#endif

fn fp64_u64_count_leading_zeros(value: vec2u) -> u32 {
  if (value.x != 0u) {
    return countLeadingZeros(value.x);
  }
  return 32u + countLeadingZeros(value.y);
}

fn fp64_round_shift_right_to_u32(value: vec2u, shift: u32) -> u32 {
  if (shift == 0u) {
    return value.y;
  }

  let truncated = fp64_u64_shift_right(value, shift);
  var rounded = truncated.y;
  let guard = fp64_u64_get_bit(value, shift - 1u);
  let hasTrailingBits = fp64_u64_has_bits_below(value, shift - 1u);
  if (guard && (hasTrailingBits || (rounded & 1u) == 1u)) {
    rounded = rounded + 1u;
  }
  return rounded;
}

#ifndef LUMA_FP64_F32_INPUT_ONLY
fn fp64_round_shift_right(value: vec2u, shift: u32) -> vec2u {
  if (shift == 0u) {
    return value;
  }

  var rounded = fp64_u64_shift_right(value, shift);
  let guard = fp64_u64_get_bit(value, shift - 1u);
  let hasTrailingBits = fp64_u64_has_bits_below(value, shift - 1u);
  if (guard && (hasTrailingBits || (rounded.y & 1u) == 1u)) {
    rounded = fp64_u64_add(rounded, vec2u(0u, 1u));
  }
  return rounded;
}
#endif

fn fp64_make_f32_bits_from_u64(sign: u32, significand: vec2u, baseExponent: i32) -> u32 {
  if (fp64_u64_is_zero(significand)) {
    return sign << 31u;
  }

  let leadingZeros = fp64_u64_count_leading_zeros(significand);
  let mostSignificantBit = 63u - leadingZeros;
  var exponent = baseExponent + i32(mostSignificantBit);

  if (exponent > 127) {
    return (sign << 31u) | 0x7f800000u;
  }

  if (exponent >= -126) {
    let shift = i32(mostSignificantBit) - 23;
    var significand24: u32;
    if (shift > 0) {
      significand24 = fp64_round_shift_right_to_u32(significand, u32(shift));
    } else {
      significand24 = fp64_u64_shift_left(significand, u32(-shift)).y;
    }

    if (significand24 >= 0x1000000u) {
      significand24 = significand24 >> 1u;
      exponent = exponent + 1;
      if (exponent > 127) {
        return (sign << 31u) | 0x7f800000u;
      }
    }

    return (sign << 31u) | (u32(exponent + 127) << 23u) | (significand24 & 0x7fffffu);
  }

  let scaleExponent = baseExponent + 149;
  var mantissa: u32;
  if (scaleExponent >= 0) {
    mantissa = fp64_u64_shift_left(significand, u32(scaleExponent)).y;
  } else {
    mantissa = fp64_round_shift_right_to_u32(significand, u32(-scaleExponent));
  }

  if (mantissa >= 0x800000u) {
    return (sign << 31u) | 0x00800000u;
  }
  return (sign << 31u) | mantissa;
}

#ifndef LUMA_FP64_F32_INPUT_ONLY
fn fp64_decode_bits(bits: vec2u) -> Fp64Bits {
  let sign = bits.x >> 31u;
  let exponentBits = (bits.x >> 20u) & 0x7ffu;
  let fractionHigh = bits.x & 0xfffffu;
  let fractionLow = bits.y;
  let fraction = vec2u(fractionHigh, fractionLow);

  if (exponentBits == 0x7ffu) {
    let isInf = fp64_u64_is_zero(fraction);
    return Fp64Bits(sign, 0, vec2u(0u), false, isInf, !isInf);
  }

  if (exponentBits == 0u) {
    let isZero = fp64_u64_is_zero(fraction);
    return Fp64Bits(sign, -1022, fraction, isZero, false, false);
  }

  return Fp64Bits(sign, i32(exponentBits) - 1023, vec2u((1u << 20u) | fractionHigh, fractionLow), false, false, false);
}

fn fp64_finite_magnitude_compare(a: Fp64Bits, b: Fp64Bits) -> i32 {
  if (a.exponent != b.exponent) {
    return select(-1, 1, a.exponent > b.exponent);
  }
  return fp64_u64_compare(a.significand, b.significand);
}
#endif

#ifndef LUMA_FP64_F32_INPUT_ONLY
struct Fp64RawF32Bits {
  sign: u32,
  baseExponent: i32,
  significand: u32,
  isZero: bool,
  isInf: bool,
  isNan: bool,
};

// Decode an f32 as (-1)^sign * significand * 2^baseExponent. This shared
// integer representation lets normalization remain independent of the
// selected double-single arithmetic implementation.
fn fp64_decode_raw_f32_bits(bits: u32) -> Fp64RawF32Bits {
  let sign = bits >> 31u;
  let exponentBits = (bits >> 23u) & 0xffu;
  let fraction = bits & 0x7fffffu;

  if (exponentBits == 0xffu) {
    return Fp64RawF32Bits(sign, 0, 0u, false, fraction == 0u, fraction != 0u);
  }
  if (exponentBits == 0u) {
    return Fp64RawF32Bits(sign, -149, fraction, fraction == 0u, false, false);
  }
  return Fp64RawF32Bits(
    sign,
    i32(exponentBits) - 150,
    0x800000u | fraction,
    false,
    false,
    false
  );
}

fn fp64_raw_f32_magnitude_compare(aBits: u32, bBits: u32) -> i32 {
  let aMagnitude = aBits & 0x7fffffffu;
  let bMagnitude = bBits & 0x7fffffffu;
  if (aMagnitude == bMagnitude) {
    return 0;
  }
  return select(-1, 1, aMagnitude > bMagnitude);
}

fn fp64_make_raw_residual_f32_bits(
  exactSign: u32,
  exactMagnitude: vec2u,
  exactBaseExponent: i32,
  highBits: u32
) -> u32 {
  if (fp64_u64_is_zero(exactMagnitude)) {
    return 0u;
  }

  let high = fp64_decode_raw_f32_bits(highBits);
  if (high.isInf || high.isNan) {
    return 0u;
  }
  if (high.isZero) {
    return fp64_make_f32_bits_from_u64(exactSign, exactMagnitude, exactBaseExponent);
  }

  let commonBaseExponent = min(exactBaseExponent, high.baseExponent);
  let exactShift = exactBaseExponent - commonBaseExponent;
  let highShift = high.baseExponent - commonBaseExponent;
  if (exactShift >= 64 || highShift >= 64) {
    return 0u;
  }

  let exactAligned = fp64_u64_shift_left(exactMagnitude, u32(exactShift));
  let highAligned = fp64_u64_shift_left(vec2u(0u, high.significand), u32(highShift));
  let comparison = fp64_u64_compare(exactAligned, highAligned);
  if (comparison == 0) {
    return 0u;
  }

  var residualSign = exactSign;
  var residualMagnitude: vec2u;
  if (comparison > 0) {
    residualMagnitude = fp64_u64_sub(exactAligned, highAligned);
  } else {
    residualSign = exactSign ^ 1u;
    residualMagnitude = fp64_u64_sub(highAligned, exactAligned);
  }
  return fp64_make_f32_bits_from_u64(
    residualSign,
    residualMagnitude,
    commonBaseExponent
  );
}

fn fp64_split_raw_accumulator_bits(
  sign: u32,
  magnitude: vec2u,
  baseExponent: i32
) -> vec2u {
  if (fp64_u64_is_zero(magnitude)) {
    return vec2u(0u);
  }
  let highBits = fp64_make_f32_bits_from_u64(sign, magnitude, baseExponent);
  let rawLowBits = fp64_make_raw_residual_f32_bits(sign, magnitude, baseExponent, highBits);
  let lowBits = select(rawLowBits, 0u, (rawLowBits & 0x7fffffffu) == 0u);
  if ((highBits & 0x7fffffffu) == 0u && (lowBits & 0x7fffffffu) == 0u) {
    return vec2u(0u);
  }
  return vec2u(highBits, lowBits);
}
#endif

#ifndef LUMA_FP64_F32_INPUT_ONLY
// Round an arithmetic accumulator to binary64 before splitting it. The
// aligned add/subtract paths retain three guard bits plus a sticky bit, which
// is sufficient for round-to-nearest-even at the binary64 boundary.
fn fp64_split_binary64_accumulator_bits(
  sign: u32,
  magnitude: vec2u,
  baseExponent: i32
) -> vec2u {
  if (fp64_u64_is_zero(magnitude)) {
    return vec2u(0u);
  }

  let mostSignificantBit = 63u - fp64_u64_count_leading_zeros(magnitude);
  let exponent = baseExponent + i32(mostSignificantBit);
  if (exponent > 1023) {
    return vec2u((sign << 31u) | 0x7f800000u, 0u);
  }

  var roundedMagnitude = magnitude;
  var roundedBaseExponent = baseExponent;
  if (exponent >= -1022) {
    if (mostSignificantBit > 52u) {
      let shift = mostSignificantBit - 52u;
      roundedMagnitude = fp64_round_shift_right(magnitude, shift);
      roundedBaseExponent = baseExponent + i32(shift);
    }
  } else {
    let shift = -1074 - baseExponent;
    if (shift > 0) {
      roundedMagnitude = fp64_round_shift_right(magnitude, u32(shift));
      roundedBaseExponent = -1074;
    }
  }

  if (fp64_u64_is_zero(roundedMagnitude)) {
    return vec2u(0u);
  }
  return fp64_split_raw_accumulator_bits(sign, roundedMagnitude, roundedBaseExponent);
}
#endif

#ifndef LUMA_FP64_PREDICATE_ONLY
fn fp64_add_raw_f32_bits(aBits: u32, bBits: u32) -> vec2u {
  let a = fp64_decode_raw_f32_bits(aBits);
  let b = fp64_decode_raw_f32_bits(bBits);

  if (a.isNan || b.isNan) {
    return vec2u(0x7fc00000u, 0u);
  }
  if (a.isInf || b.isInf) {
    if (a.isInf && b.isInf && a.sign != b.sign) {
      return vec2u(0x7fc00000u, 0u);
    }
    return select(vec2u(bBits, 0u), vec2u(aBits, 0u), a.isInf);
  }
  if (a.isZero && b.isZero) {
    return vec2u(0u);
  }
  if (a.isZero) {
    return vec2u(bBits, 0u);
  }
  if (b.isZero) {
    return vec2u(aBits, 0u);
  }

  let exponentDifference = abs(a.baseExponent - b.baseExponent);
  if (exponentDifference > 25) {
    if (fp64_raw_f32_magnitude_compare(aBits, bBits) >= 0) {
      return vec2u(aBits, bBits);
    }
    return vec2u(bBits, aBits);
  }

  let commonBaseExponent = min(a.baseExponent, b.baseExponent);
  let aMagnitude = fp64_u64_shift_left(
    vec2u(0u, a.significand),
    u32(a.baseExponent - commonBaseExponent)
  );
  let bMagnitude = fp64_u64_shift_left(
    vec2u(0u, b.significand),
    u32(b.baseExponent - commonBaseExponent)
  );

  var resultSign = a.sign;
  var resultMagnitude: vec2u;
  if (a.sign == b.sign) {
    resultMagnitude = fp64_u64_add(aMagnitude, bMagnitude);
  } else {
    let comparison = fp64_u64_compare(aMagnitude, bMagnitude);
    if (comparison == 0) {
      return vec2u(0u);
    }
    if (comparison > 0) {
      resultMagnitude = fp64_u64_sub(aMagnitude, bMagnitude);
    } else {
      resultSign = b.sign;
      resultMagnitude = fp64_u64_sub(bMagnitude, aMagnitude);
    }
  }

  return fp64_split_raw_accumulator_bits(
    resultSign,
    resultMagnitude,
    commonBaseExponent
  );
}
#endif

#ifndef LUMA_FP64_F32_INPUT_ONLY
fn fp64_add_aligned_magnitudes_to_fp64_bits(
  sign: u32,
  larger: Fp64Bits,
  smaller: Fp64Bits
) -> vec2u {
  let largeSignificand = fp64_u64_shift_left(larger.significand, 3u);
  let smallSignificand = fp64_u64_shift_right_sticky(
    fp64_u64_shift_left(smaller.significand, 3u),
    u32(larger.exponent - smaller.exponent)
  );
  let resultSignificand = fp64_u64_add(largeSignificand, smallSignificand);
  return fp64_split_binary64_accumulator_bits(
    sign,
    resultSignificand,
    larger.exponent - 55
  );
}

fn fp64_sub_aligned_magnitudes_to_fp64_bits(
  sign: u32,
  larger: Fp64Bits,
  smaller: Fp64Bits
) -> vec2u {
  let largeSignificand = fp64_u64_shift_left(larger.significand, 3u);
  let smallSignificand = fp64_u64_shift_right_sticky(
    fp64_u64_shift_left(smaller.significand, 3u),
    u32(larger.exponent - smaller.exponent)
  );
  let resultSignificand = fp64_u64_sub(largeSignificand, smallSignificand);
  return fp64_split_binary64_accumulator_bits(
    sign,
    resultSignificand,
    larger.exponent - 55
  );
}

fn fp64_add_aligned_magnitudes_to_f32_bits(sign: u32, larger: Fp64Bits, smaller: Fp64Bits) -> u32 {
  let largeSignificand = fp64_u64_shift_left(larger.significand, 3u);
  let smallSignificand = fp64_u64_shift_right_sticky(
    fp64_u64_shift_left(smaller.significand, 3u),
    u32(larger.exponent - smaller.exponent)
  );
  let resultSignificand = fp64_u64_add(largeSignificand, smallSignificand);
  return fp64_make_f32_bits_from_u64(sign, resultSignificand, larger.exponent - 55);
}

fn fp64_sub_aligned_magnitudes_to_f32_bits(sign: u32, larger: Fp64Bits, smaller: Fp64Bits) -> u32 {
  let largeSignificand = fp64_u64_shift_left(larger.significand, 3u);
  let smallSignificand = fp64_u64_shift_right_sticky(
    fp64_u64_shift_left(smaller.significand, 3u),
    u32(larger.exponent - smaller.exponent)
  );
  let resultSignificand = fp64_u64_sub(largeSignificand, smallSignificand);
  return fp64_make_f32_bits_from_u64(sign, resultSignificand, larger.exponent - 55);
}

// Subtract two raw binary64 values and round the exact result once to f32.
// The input words are canonical high/low words: .x contains sign/exponent/high
// fraction bits, and .y contains the low 32 fraction bits.
fn sub_fp64u32_to_f32_bits(aBits: vec2u, bBits: vec2u) -> u32 {
  let a = fp64_decode_bits(aBits);
  let b = fp64_decode_bits(bBits);
  let bSubtractionSign = b.sign ^ 1u;

  if (a.isNan || b.isNan) {
    return 0x7fc00000u;
  }
  if (a.isInf && b.isInf) {
    if (a.sign == bSubtractionSign) {
      return (a.sign << 31u) | 0x7f800000u;
    }
    return 0x7fc00000u;
  }
  if (a.isInf) {
    return (a.sign << 31u) | 0x7f800000u;
  }
  if (b.isInf) {
    return (bSubtractionSign << 31u) | 0x7f800000u;
  }
  if (a.isZero && b.isZero) {
    return select(0u, 0x80000000u, a.sign == 1u && b.sign == 0u);
  }

  let magnitudeComparison = fp64_finite_magnitude_compare(a, b);
  if (a.sign == bSubtractionSign) {
    if (magnitudeComparison >= 0) {
      return fp64_add_aligned_magnitudes_to_f32_bits(a.sign, a, b);
    }
    return fp64_add_aligned_magnitudes_to_f32_bits(a.sign, b, a);
  }

  if (magnitudeComparison == 0) {
    return 0u;
  }
  if (magnitudeComparison > 0) {
    return fp64_sub_aligned_magnitudes_to_f32_bits(a.sign, a, b);
  }
  return fp64_sub_aligned_magnitudes_to_f32_bits(bSubtractionSign, b, a);
}

fn sub_fp64u32_to_f32(aBits: vec2u, bBits: vec2u) -> f32 {
  return bitcast<f32>(sub_fp64u32_to_f32_bits(aBits, bBits));
}

// Subtract two raw binary64 values, round once to binary64, then split the
// result into normalized f32 limbs. Finite results must fit within the f32
// exponent range; larger magnitudes map to infinity and smaller magnitudes
// map to zero. The input words use canonical high/low word order.
fn sub_fp64u32_to_fp64_bits(aBits: vec2u, bBits: vec2u) -> vec2u {
  let a = fp64_decode_bits(aBits);
  let b = fp64_decode_bits(bBits);
  let bSubtractionSign = b.sign ^ 1u;

  if (a.isNan || b.isNan) {
    return vec2u(0x7fc00000u, 0u);
  }
  if (a.isInf && b.isInf) {
    if (a.sign == bSubtractionSign) {
      return vec2u((a.sign << 31u) | 0x7f800000u, 0u);
    }
    return vec2u(0x7fc00000u, 0u);
  }
  if (a.isInf) {
    return vec2u((a.sign << 31u) | 0x7f800000u, 0u);
  }
  if (b.isInf) {
    return vec2u((bSubtractionSign << 31u) | 0x7f800000u, 0u);
  }
  if (a.isZero && b.isZero) {
    return vec2u(0u);
  }

  let magnitudeComparison = fp64_finite_magnitude_compare(a, b);
  if (a.sign == bSubtractionSign) {
    if (magnitudeComparison >= 0) {
      return fp64_add_aligned_magnitudes_to_fp64_bits(a.sign, a, b);
    }
    return fp64_add_aligned_magnitudes_to_fp64_bits(a.sign, b, a);
  }

  if (magnitudeComparison == 0) {
    return vec2u(0u);
  }
  if (magnitudeComparison > 0) {
    return fp64_sub_aligned_magnitudes_to_fp64_bits(a.sign, a, b);
  }
  return fp64_sub_aligned_magnitudes_to_fp64_bits(bSubtractionSign, b, a);
}

fn sub_fp64u32_to_fp64(aBits: vec2u, bBits: vec2u) -> vec2f {
  let resultBits = sub_fp64u32_to_fp64_bits(aBits, bBits);
  return vec2f(bitcast<f32>(resultBits.x), bitcast<f32>(resultBits.y));
}
#endif

#ifndef LUMA_FP64_PREDICATE_ONLY
fn fp64_runtime_zero() -> f32 {
  return fp64arithmetic.ONE * 0.0;
}

fn prevent_fp64_optimization(value: f32) -> f32 {
#ifdef LUMA_FP64_CODE_ELIMINATION_WORKAROUND
  return value + fp64_runtime_zero();
#else
  return value;
#endif
}
#endif

#ifdef LUMA_FP64_INTEGER_ARITHMETIC
${V0}
#else
fn split(a: f32) -> vec2f {
  let splitValue = prevent_fp64_optimization(fp64arithmetic.SPLIT + fp64_runtime_zero());
  let t = prevent_fp64_optimization(a * splitValue);
  let temp = prevent_fp64_optimization(t - a);
  let aHi = prevent_fp64_optimization(t - temp);
  let aLo = prevent_fp64_optimization(a - aHi);
  return vec2f(aHi, aLo);
}

fn split2(a: vec2f) -> vec2f {
  var b = split(a.x);
  b.y = b.y + a.y;
  return b;
}

fn quickTwoSum(a: f32, b: f32) -> vec2f {
#ifdef LUMA_FP64_CODE_ELIMINATION_WORKAROUND
  let sum = prevent_fp64_optimization((a + b) * fp64arithmetic.ONE);
  let err = prevent_fp64_optimization(b - (sum - a) * fp64arithmetic.ONE);
#else
  let sum = prevent_fp64_optimization(a + b);
  let err = prevent_fp64_optimization(b - (sum - a));
#endif
  return vec2f(sum, err);
}

fn twoSum(a: f32, b: f32) -> vec2f {
  let s = prevent_fp64_optimization(a + b);
#ifdef LUMA_FP64_CODE_ELIMINATION_WORKAROUND
  let v = prevent_fp64_optimization((s * fp64arithmetic.ONE - a) * fp64arithmetic.ONE);
  let err =
    prevent_fp64_optimization((a - (s - v) * fp64arithmetic.ONE) *
      fp64arithmetic.ONE *
      fp64arithmetic.ONE *
      fp64arithmetic.ONE) +
    prevent_fp64_optimization(b - v);
#else
  let v = prevent_fp64_optimization(s - a);
  let err = prevent_fp64_optimization(a - (s - v)) + prevent_fp64_optimization(b - v);
#endif
  return vec2f(s, err);
}

fn twoSub(a: f32, b: f32) -> vec2f {
  let s = prevent_fp64_optimization(a - b);
#ifdef LUMA_FP64_CODE_ELIMINATION_WORKAROUND
  let v = prevent_fp64_optimization((s * fp64arithmetic.ONE - a) * fp64arithmetic.ONE);
  let err =
    prevent_fp64_optimization((a - (s - v) * fp64arithmetic.ONE) *
      fp64arithmetic.ONE *
      fp64arithmetic.ONE *
      fp64arithmetic.ONE) -
    prevent_fp64_optimization(b + v);
#else
  let v = prevent_fp64_optimization(s - a);
  let err = prevent_fp64_optimization(a - (s - v)) - prevent_fp64_optimization(b + v);
#endif
  return vec2f(s, err);
}

fn twoSqr(a: f32) -> vec2f {
  let prod = prevent_fp64_optimization(a * a);
  let aFp64 = split(a);
  let highProduct = prevent_fp64_optimization(aFp64.x * aFp64.x);
  let crossProduct = prevent_fp64_optimization(2.0 * aFp64.x * aFp64.y);
  let lowProduct = prevent_fp64_optimization(aFp64.y * aFp64.y);
#ifdef LUMA_FP64_CODE_ELIMINATION_WORKAROUND
  let err =
    (prevent_fp64_optimization(highProduct - prod) * fp64arithmetic.ONE +
      crossProduct * fp64arithmetic.ONE * fp64arithmetic.ONE) +
    lowProduct * fp64arithmetic.ONE * fp64arithmetic.ONE * fp64arithmetic.ONE;
#else
  let err = ((prevent_fp64_optimization(highProduct - prod) + crossProduct) + lowProduct);
#endif
  return vec2f(prod, err);
}

fn twoProd(a: f32, b: f32) -> vec2f {
  let prod = prevent_fp64_optimization(a * b);
  let aFp64 = split(a);
  let bFp64 = split(b);
  let highProduct = prevent_fp64_optimization(aFp64.x * bFp64.x);
  let crossProduct1 = prevent_fp64_optimization(aFp64.x * bFp64.y);
  let crossProduct2 = prevent_fp64_optimization(aFp64.y * bFp64.x);
  let lowProduct = prevent_fp64_optimization(aFp64.y * bFp64.y);
#ifdef LUMA_FP64_CODE_ELIMINATION_WORKAROUND
  let err1 = (highProduct - prod) * fp64arithmetic.ONE;
  let err2 = crossProduct1 * fp64arithmetic.ONE * fp64arithmetic.ONE;
  let err3 = crossProduct2 * fp64arithmetic.ONE * fp64arithmetic.ONE * fp64arithmetic.ONE;
  let err4 =
    lowProduct *
    fp64arithmetic.ONE *
    fp64arithmetic.ONE *
    fp64arithmetic.ONE *
    fp64arithmetic.ONE;
#else
  let err1 = highProduct - prod;
  let err2 = crossProduct1;
  let err3 = crossProduct2;
  let err4 = lowProduct;
#endif
  let err12InputA = prevent_fp64_optimization(err1);
  let err12InputB = prevent_fp64_optimization(err2);
  let err12 = prevent_fp64_optimization(err12InputA + err12InputB);
  let err123InputA = prevent_fp64_optimization(err12);
  let err123InputB = prevent_fp64_optimization(err3);
  let err123 = prevent_fp64_optimization(err123InputA + err123InputB);
  let err1234InputA = prevent_fp64_optimization(err123);
  let err1234InputB = prevent_fp64_optimization(err4);
  let err = prevent_fp64_optimization(err1234InputA + err1234InputB);
  return vec2f(prod, err);
}

fn sum_fp64(a: vec2f, b: vec2f) -> vec2f {
  var s = twoSum(a.x, b.x);
  let t = twoSum(a.y, b.y);
  s.y = prevent_fp64_optimization(s.y + t.x);
  s = quickTwoSum(s.x, s.y);
  s.y = prevent_fp64_optimization(s.y + t.y);
  s = quickTwoSum(s.x, s.y);
  return s;
}

fn sub_fp64(a: vec2f, b: vec2f) -> vec2f {
  var s = twoSub(a.x, b.x);
  let t = twoSub(a.y, b.y);
  s.y = prevent_fp64_optimization(s.y + t.x);
  s = quickTwoSum(s.x, s.y);
  s.y = prevent_fp64_optimization(s.y + t.y);
  s = quickTwoSum(s.x, s.y);
  return s;
}

fn mul_fp64(a: vec2f, b: vec2f) -> vec2f {
  var prod = twoProd(a.x, b.x);
  let crossProduct1 = prevent_fp64_optimization(a.x * b.y);
  prod.y = prevent_fp64_optimization(prod.y + crossProduct1);
#ifdef LUMA_FP64_HIGH_BITS_OVERFLOW_WORKAROUND
  prod = split2(prod);
#endif
  prod = quickTwoSum(prod.x, prod.y);
  let crossProduct2 = prevent_fp64_optimization(a.y * b.x);
  prod.y = prevent_fp64_optimization(prod.y + crossProduct2);
#ifdef LUMA_FP64_HIGH_BITS_OVERFLOW_WORKAROUND
  prod = split2(prod);
#endif
  prod = quickTwoSum(prod.x, prod.y);
  return prod;
}

#ifndef LUMA_FP64_PREDICATE_ONLY
fn div_fp64(a: vec2f, b: vec2f) -> vec2f {
  let xn = prevent_fp64_optimization(1.0 / b.x);
  let yn = mul_fp64(a, vec2f(xn, fp64_runtime_zero()));
  let diff = prevent_fp64_optimization(sub_fp64(a, mul_fp64(b, yn)).x);
  let prod = twoProd(xn, diff);
  return sum_fp64(yn, prod);
}

fn sqrt_fp64(a: vec2f) -> vec2f {
  if (a.x == 0.0 && a.y == 0.0) {
    return vec2f(0.0, 0.0);
  }
  if (a.x < 0.0) {
    let nanValue = fp64_nan(a.x);
    return vec2f(nanValue, nanValue);
  }

  let x = prevent_fp64_optimization(1.0 / sqrt(a.x));
  let yn = prevent_fp64_optimization(a.x * x);
#ifdef LUMA_FP64_CODE_ELIMINATION_WORKAROUND
  let ynSqr = twoSqr(yn) * fp64arithmetic.ONE;
#else
  let ynSqr = twoSqr(yn);
#endif
  let diff = prevent_fp64_optimization(sub_fp64(a, ynSqr).x);
  let prod = twoProd(prevent_fp64_optimization(x * 0.5), diff);
#ifdef LUMA_FP64_HIGH_BITS_OVERFLOW_WORKAROUND
  return sum_fp64(split(yn), prod);
#else
  return sum_fp64(vec2f(yn, 0.0), prod);
#endif
}
#endif
#endif

#ifndef LUMA_FP64_PREDICATE_ONLY
fn fp64_f32_bits_is_nan(bits: u32) -> bool {
  return (bits & 0x7fffffffu) > 0x7f800000u;
}

fn fp64_f32_bits_is_inf(bits: u32) -> bool {
  return (bits & 0x7fffffffu) == 0x7f800000u;
}

fn fp64_compare_f32_bits(aBits: u32, bBits: u32) -> i32 {
  let aMagnitude = aBits & 0x7fffffffu;
  let bMagnitude = bBits & 0x7fffffffu;
  if (aMagnitude == 0u && bMagnitude == 0u) {
    return 0;
  }
  let aSign = aBits >> 31u;
  let bSign = bBits >> 31u;
  if (aSign != bSign) {
    return select(1, -1, aSign == 1u);
  }
  if (aMagnitude == bMagnitude) {
    return 0;
  }
  let magnitudeComparison = select(-1, 1, aMagnitude > bMagnitude);
  return select(magnitudeComparison, -magnitudeComparison, aSign == 1u);
}

// Normalize an arbitrary pair of finite f32 limbs with integer accumulation.
// This is independent of LUMA_FP64_INTEGER_ARITHMETIC and canonicalizes every
// representation of zero to vec2f(+0.0, +0.0).
fn normalize_fp64(value: vec2f) -> vec2f {
  let resultBits = fp64_add_raw_f32_bits(bitcast<u32>(value.x), bitcast<u32>(value.y));
  return vec2f(bitcast<f32>(resultBits.x), bitcast<f32>(resultBits.y));
}

fn is_nan_fp64(value: vec2f) -> bool {
  let normalized = normalize_fp64(value);
  return fp64_f32_bits_is_nan(bitcast<u32>(normalized.x)) ||
    fp64_f32_bits_is_nan(bitcast<u32>(normalized.y));
}

fn is_finite_fp64(value: vec2f) -> bool {
  let normalized = normalize_fp64(value);
  let highBits = bitcast<u32>(normalized.x);
  let lowBits = bitcast<u32>(normalized.y);
  return !fp64_f32_bits_is_nan(highBits) && !fp64_f32_bits_is_nan(lowBits) &&
    !fp64_f32_bits_is_inf(highBits) && !fp64_f32_bits_is_inf(lowBits);
}

// Returns -1, 0, or 1. NaN is unordered and returns 0; call is_nan_fp64 or
// is_finite_fp64 first when 0 must mean a finite zero.
fn sign_fp64(value: vec2f) -> i32 {
  let normalized = normalize_fp64(value);
  let highBits = bitcast<u32>(normalized.x);
  let lowBits = bitcast<u32>(normalized.y);
  if (fp64_f32_bits_is_nan(highBits) || fp64_f32_bits_is_nan(lowBits)) {
    return 0;
  }
  if ((highBits & 0x7fffffffu) != 0u) {
    return select(1, -1, (highBits >> 31u) == 1u);
  }
  if ((lowBits & 0x7fffffffu) != 0u) {
    return select(1, -1, (lowBits >> 31u) == 1u);
  }
  return 0;
}

// Compares double-single values and returns -1, 0, or 1. NaN is unordered
// and returns 0; callers that require equality semantics must first check
// is_nan_fp64 or is_finite_fp64.
fn compare_fp64(a: vec2f, b: vec2f) -> i32 {
  let normalizedA = normalize_fp64(a);
  let normalizedB = normalize_fp64(b);
  let aHighBits = bitcast<u32>(normalizedA.x);
  let aLowBits = bitcast<u32>(normalizedA.y);
  let bHighBits = bitcast<u32>(normalizedB.x);
  let bLowBits = bitcast<u32>(normalizedB.y);
  if (fp64_f32_bits_is_nan(aHighBits) || fp64_f32_bits_is_nan(aLowBits) ||
      fp64_f32_bits_is_nan(bHighBits) || fp64_f32_bits_is_nan(bLowBits)) {
    return 0;
  }
  let highComparison = fp64_compare_f32_bits(aHighBits, bHighBits);
  if (highComparison != 0) {
    return highComparison;
  }
  return fp64_compare_f32_bits(aLowBits, bLowBits);
}
#endif
`});var uk,mp,Y0=b(()=>{N0();G0();H0();uk={ONE:1,SPLIT:4097},mp={name:"fp64arithmetic",source:j0,fs:pp,vs:pp,defaultUniforms:uk,uniformTypes:{ONE:"f32",SPLIT:"f32"},fp64ify:hp,fp64LowPart:B0,fp64ifyMatrix4:D0}});function mk(t={},e){let r={},n=F0(t.useByteColors,!0);if(t.highlightedObjectColor!==void 0)if(t.highlightedObjectColor===null)r.isHighlightActive=!1;else{r.isHighlightActive=!0;let i=t.highlightedObjectColor.slice(0,3);r.highlightedObjectColor=i}return t.highlightColor&&(r.highlightColor=z0(t.highlightColor,n)),t.isActive!==void 0&&(r.isActive=!!t.isActive,r.isAttribute=!!t.isAttribute),t.useByteColors!==void 0&&(r.useByteColors=!!t.useByteColors),r}var dk,hk,pk,kr,q0=b(()=>{U0();dk=[0,1,1,1],hk=`layout(std140) uniform pickingUniforms {
  float isActive;
  float isAttribute;
  float isHighlightActive;
  float useByteColors;
  vec3 highlightedObjectColor;
  vec4 highlightColor;
} picking;

out vec4 picking_vRGBcolor_Avalid;

// Normalize unsigned byte color to 0-1 range
vec3 picking_normalizeColor(vec3 color) {
  return picking.useByteColors > 0.5 ? color / 255.0 : color;
}

// Normalize unsigned byte color to 0-1 range
vec4 picking_normalizeColor(vec4 color) {
  return picking.useByteColors > 0.5 ? color / 255.0 : color;
}

bool picking_isColorZero(vec3 color) {
  return dot(color, vec3(1.0)) < 0.00001;
}

bool picking_isColorValid(vec3 color) {
  return dot(color, vec3(1.0)) > 0.00001;
}

// Check if this vertex is highlighted 
bool isVertexHighlighted(vec3 vertexColor) {
  vec3 highlightedObjectColor = picking_normalizeColor(picking.highlightedObjectColor);
  return
    bool(picking.isHighlightActive) && picking_isColorZero(abs(vertexColor - highlightedObjectColor));
}

// Set the current picking color
void picking_setPickingColor(vec3 pickingColor) {
  pickingColor = picking_normalizeColor(pickingColor);

  if (bool(picking.isActive)) {
    // Use alpha as the validity flag. If pickingColor is [0, 0, 0] fragment is non-pickable
    picking_vRGBcolor_Avalid.a = float(picking_isColorValid(pickingColor));

    if (!bool(picking.isAttribute)) {
      // Stores the picking color so that the fragment shader can render it during picking
      picking_vRGBcolor_Avalid.rgb = pickingColor;
    }
  } else {
    // Do the comparison with selected item color in vertex shader as it should mean fewer compares
    picking_vRGBcolor_Avalid.a = float(isVertexHighlighted(pickingColor));
  }
}

void picking_setPickingAttribute(float value) {
  if (bool(picking.isAttribute)) {
    picking_vRGBcolor_Avalid.r = value;
  }
}

void picking_setPickingAttribute(vec2 value) {
  if (bool(picking.isAttribute)) {
    picking_vRGBcolor_Avalid.rg = value;
  }
}

void picking_setPickingAttribute(vec3 value) {
  if (bool(picking.isAttribute)) {
    picking_vRGBcolor_Avalid.rgb = value;
  }
}
`,pk=`layout(std140) uniform pickingUniforms {
  float isActive;
  float isAttribute;
  float isHighlightActive;
  float useByteColors;
  vec3 highlightedObjectColor;
  vec4 highlightColor;
} picking;

in vec4 picking_vRGBcolor_Avalid;

/*
 * Returns highlight color if this item is selected.
 */
vec4 picking_filterHighlightColor(vec4 color) {
  // If we are still picking, we don't highlight
  if (picking.isActive > 0.5) {
    return color;
  }

  bool selected = bool(picking_vRGBcolor_Avalid.a);

  if (selected) {
    // Blend in highlight color based on its alpha value
    float highLightAlpha = picking.highlightColor.a;
    float blendedAlpha = highLightAlpha + color.a * (1.0 - highLightAlpha);
    float highLightRatio = highLightAlpha / blendedAlpha;

    vec3 blendedRGB = mix(color.rgb, picking.highlightColor.rgb, highLightRatio);
    return vec4(blendedRGB, blendedAlpha);
  } else {
    return color;
  }
}

/*
 * Returns picking color if picking enabled else unmodified argument.
 */
vec4 picking_filterPickingColor(vec4 color) {
  if (bool(picking.isActive)) {
    if (picking_vRGBcolor_Avalid.a == 0.0) {
      discard;
    }
    return picking_vRGBcolor_Avalid;
  }
  return color;
}

/*
 * Returns picking color if picking is enabled if not
 * highlight color if this item is selected, otherwise unmodified argument.
 */
vec4 picking_filterColor(vec4 color) {
  vec4 highlightColor = picking_filterHighlightColor(color);
  return picking_filterPickingColor(highlightColor);
}
`,kr={props:{},uniforms:{},name:"picking",uniformTypes:{isActive:"f32",isAttribute:"f32",isHighlightActive:"f32",useByteColors:"f32",highlightedObjectColor:"vec3<f32>",highlightColor:"vec4<f32>"},defaultUniforms:{isActive:!1,isAttribute:!1,isHighlightActive:!1,useByteColors:!0,highlightedObjectColor:[0,0,0],highlightColor:dk},vs:hk,fs:pk,getUniforms:mk}});var je=b(()=>{Id();rb();gh();Db();Fb();$0();Y0();q0()});function qt(t="id"){Fp[t]=Fp[t]||1;let e=Fp[t]++;return`${t}-${e}`}var Fp,Ui=b(()=>{Fp={}});function kn(t){switch(t){case"POSITION":return"positions";case"NORMAL":return"normals";case"TEXCOORD_0":return"texCoords";case"TEXCOORD_1":return"texCoords1";case"COLOR_0":return"colors";default:return t}}function dB(t){let e=[];for(let[r,n]of Object.entries(t)){if(!n)continue;let{value:i,size:s,normalized:o}=n;if(s===void 0)throw new Error(`Attribute ${r} is missing a size`);e.push({name:kn(r),format:re.getVertexFormatFromAttribute(i,s,o)})}return e}var tt,Cl=b(()=>{N();Ui();tt=class{id;topology;vertexCount;indices;attributes;bufferLayout;userData={};constructor(e){let{attributes:r={},indices:n=null,vertexCount:i=null}=e;this.id=e.id||qt("geometry"),this.topology=e.topology,n&&(this.indices=ArrayBuffer.isView(n)?{value:n,size:1}:n),this.attributes={};for(let[s,o]of Object.entries(r)){let a=ArrayBuffer.isView(o)?{value:o}:o;if(!ArrayBuffer.isView(a.value))throw new Error(`${this._print(s)}: must be typed array or object with value as typed array`);if((s==="POSITION"||s==="positions")&&!a.size&&(a.size=3),s==="indices"){if(this.indices)throw new Error("Multiple indices detected");this.indices=a}else{let c=kn(s),l=Object.keys(this.attributes).find(f=>kn(f)===c);l&&delete this.attributes[l],this.attributes[s]=a}}this.indices&&this.indices.isIndexed!==void 0&&(this.indices=Object.assign({},this.indices),delete this.indices.isIndexed),this.vertexCount=i||this._calculateVertexCount(this.attributes,this.indices),this.bufferLayout=e.bufferLayout||dB(this.attributes)}getVertexCount(){return this.vertexCount}getAttributes(){return this.indices?{indices:this.indices,...this.attributes}:this.attributes}_print(e){return`Geometry ${this.id} attribute ${e}`}_setAttributes(e,r){return this}_calculateVertexCount(e,r){if(r)return r.value.length;let n=1/0;for(let i of Object.values(e)){if(!i)continue;let{value:s,size:o,constant:a}=i;!a&&s&&o!==void 0&&o>=1&&(n=Math.min(n,s.length/o))}return n}}});function Vw(t,e={}){let r=e.bufferName||"geometry";if(hB(t,r))return t;let n=e.minAttributeAlignment||4,i=pB(t,e.attributes),s=[],o=0,a=1/0;for(let[f,u]of i){if(!u)continue;if(u.constant)throw new Error(`Attribute ${f} is constant`);let{value:d,size:h,normalized:p}=u;if(!ArrayBuffer.isView(d))throw new Error(`Attribute ${f} is missing typed array data`);if(h===void 0)throw new Error(`Attribute ${f} is missing a size`);let m=re.getVertexFormatFromAttribute(d,h,p),g=re.getVertexFormatInfo(m);o=Gw(o,n),s.push({sourceName:f,attributeName:kn(f),value:d,size:h,format:m,byteOffset:o,byteLength:g.byteLength}),o+=g.byteLength;let y=d.length/h;if(!Number.isInteger(y))throw new Error(`Attribute ${f} length is not divisible by size`);a=Math.min(a,y)}if(s.length===0||!Number.isFinite(a))throw new Error(`Geometry ${t.id} has no interleavable attributes`);let c=Gw(o,n),l=new ArrayBuffer(a*c);for(let f of s)mB(l,a,c,f);return new tt({id:t.id,topology:t.topology||"triangle-list",vertexCount:t.vertexCount,indices:t.indices,attributes:{[r]:{value:new Uint8Array(l),size:c,byteStride:c}},bufferLayout:[{name:r,stepMode:"vertex",byteStride:c,attributes:s.map(f=>({attribute:f.attributeName,format:f.format,byteOffset:f.byteOffset}))}]})}function hB(t,e){if(t.bufferLayout.length!==1)return!1;let r=t.bufferLayout[0];return r.name===e&&!!r.attributes?.length&&!!t.attributes[e]}function pB(t,e){return e?e.map(r=>[r,t.attributes[r]]):Object.entries(t.attributes)}function mB(t,e,r,n){let i=n.value.constructor,s=i.BYTES_PER_ELEMENT;if(n.byteOffset%s!==0||r%s!==0)throw new Error(`Attribute ${n.sourceName} is not aligned to its component type`);let o=new i(t),a=n.value,c=n.byteOffset/s,l=r/s;for(let f=0;f<e;f++){let u=f*n.size,d=f*l+c;for(let h=0;h<n.size;h++)o[d+h]=a[u+h]}}function Gw(t,e){return Math.ceil(t/e)*e}var Ww=b(()=>{N();Cl()});var gB,yB,On,jw=b(()=>{gB=1,yB=1,On=class{time=0;channels=new Map;animations=new Map;playing=!1;lastEngineTime=-1;constructor(){}addChannel(e){let{delay:r=0,duration:n=Number.POSITIVE_INFINITY,rate:i=1,repeat:s=1}=e,o=gB++,a={time:0,delay:r,duration:n,rate:i,repeat:s};return this._setChannelTime(a,this.time),this.channels.set(o,a),o}removeChannel(e){this.channels.delete(e);for(let[r,n]of this.animations)n.channel===e&&this.detachAnimation(r)}isFinished(e){let r=this.channels.get(e);return r===void 0?!1:this.time>=r.delay+r.duration*r.repeat}getTime(e){if(e===void 0)return this.time;let r=this.channels.get(e);return r===void 0?-1:r.time}setTime(e){this.time=Math.max(0,e);let r=this.channels.values();for(let i of r)this._setChannelTime(i,this.time);let n=this.animations.values();for(let i of n){let{animation:s,channel:o}=i;s.setTime(this.getTime(o))}}play(){this.playing=!0}pause(){this.playing=!1,this.lastEngineTime=-1}reset(){this.setTime(0)}attachAnimation(e,r){let n=yB++;return this.animations.set(n,{animation:e,channel:r}),e.setTime(this.getTime(r)),n}detachAnimation(e){this.animations.delete(e)}update(e){this.playing&&(this.lastEngineTime===-1&&(this.lastEngineTime=e),this.setTime(this.time+(e-this.lastEngineTime)),this.lastEngineTime=e)}_setChannelTime(e,r){let n=r-e.delay,i=e.duration*e.repeat;n>=i?e.time=e.duration*e.rate:(e.time=Math.max(0,n)%e.duration,e.time*=e.rate)}}});function Hw(t){let e=typeof window<"u"?window.requestAnimationFrame||window.webkitRequestAnimationFrame||window.mozRequestAnimationFrame:null;return e?e.call(window,t):setTimeout(()=>t(typeof performance<"u"?performance.now():Date.now()),1e3/60)}function Yw(t){let e=typeof window<"u"?window.cancelAnimationFrame||window.webkitCancelAnimationFrame||window.mozCancelAnimationFrame:null;if(e){e.call(window,t);return}clearTimeout(t)}var qw=b(()=>{});var _B,xB,Xw,ko,Zw=b(()=>{N();qw();Ts();_B=0,xB="Animation Loop",Xw={requestAnimationFrame:t=>Hw(t),cancelAnimationFrame:t=>Yw(t)},ko=class t{static defaultAnimationLoopProps={device:null,onAddHTML:()=>"",onInitialize:async()=>null,onRender:()=>{},onFinalize:()=>{},onError:e=>{console.error(e)},stats:void 0,autoResizeViewport:!1,animationFrameProvider:Xw};device=null;canvas=null;props;animationProps=null;timeline=null;stats;sharedStats;cpuTime;gpuTime;frameRate;display;_needsRedraw="initialized";_initialized=!1;_running=!1;_animationFrameId=null;_nextFramePromise=null;_resolveNextFrame=null;_cpuStartTime=0;_error=null;_lastFrameTime=0;constructor(e){if(this.props={...t.defaultAnimationLoopProps,...e},e=this.props,!e.device)throw new Error("No device provided");this.stats=e.stats||new at({id:`animation-loop-${_B++}`}),this.sharedStats=hi.stats.get(xB),this.frameRate=this.stats.get("Frame Rate"),this.frameRate.setSampleSize(1),this.cpuTime=this.stats.get("CPU Time"),this.gpuTime=this.stats.get("GPU Time"),this.setProps({autoResizeViewport:e.autoResizeViewport,animationFrameProvider:e.animationFrameProvider}),this.start=this.start.bind(this),this.stop=this.stop.bind(this),this._onMousemove=this._onMousemove.bind(this),this._onMouseleave=this._onMouseleave.bind(this)}destroy(){this.stop(),this._setDisplay(null),this.device?._disableDebugGPUTime()}delete(){this.destroy()}reportError(e){this._error=e,this.props.onError(e),this.props.onError===t.defaultAnimationLoopProps.onError&&typeof window<"u"&&typeof ErrorEvent<"u"&&window.dispatchEvent(new ErrorEvent("error",{error:e,message:e.message}))}setNeedsRedraw(e){return this._needsRedraw=this._needsRedraw||e,this}needsRedraw(){let e=this._needsRedraw;return this._needsRedraw=!1,e}setProps(e){if("autoResizeViewport"in e&&(this.props.autoResizeViewport=e.autoResizeViewport||!1),"animationFrameProvider"in e){let r=e.animationFrameProvider||Xw;if(r!==this.props.animationFrameProvider){let n=this._animationFrameId!==null;n&&this._cancelAnimationFrame(),this.props.animationFrameProvider=r,n&&this._requestAnimationFrame()}}return this}async start(){if(this._running)return this;this._running=!0;try{let e;if(!this._initialized){if(this._initialized=!0,await this._initDevice(),this._initialize(),!this._running)return null;await this.props.onInitialize(this._getAnimationProps())}return this._running?(e!==!1&&(this._cancelAnimationFrame(),this._requestAnimationFrame()),this):null}catch(e){let r=e instanceof Error?e:new Error("Unknown error");throw this.props.onError(r),r}}stop(){if(this._running){let e=this.animationProps;this._cancelAnimationFrame(),this._nextFramePromise=null,this._resolveNextFrame=null,this._running=!1,this._lastFrameTime=0,e&&this.props.onFinalize(e)}return this}redraw(e,r=null){return this.device?.isLost||this._error?this:(this._beginFrameTimers(e),this._setupFrame(),this.animationProps&&(this.animationProps.animationFrame=r),this._updateAnimationProps(),this._renderFrame(this._getAnimationProps()),this._clearNeedsRedraw(),this._resolveNextFrame&&(this._resolveNextFrame(this),this._nextFramePromise=null,this._resolveNextFrame=null),this._endFrameTimers(),this)}attachTimeline(e){return this.timeline=e,this.timeline}detachTimeline(){this.timeline=null}waitForRender(){return this.setNeedsRedraw("waitForRender"),this._nextFramePromise||(this._nextFramePromise=new Promise(e=>{this._resolveNextFrame=e})),this._nextFramePromise}async toDataURL(){if(this.setNeedsRedraw("toDataURL"),await this.waitForRender(),this.canvas instanceof HTMLCanvasElement)return this.canvas.toDataURL();throw new Error("OffscreenCanvas")}_initialize(){this._startEventHandling(),this._initializeAnimationProps(),this._updateAnimationProps(),this._resizeViewport(),this.device?._enableDebugGPUTime()}_setDisplay(e){this.display&&(this.display.destroy(),this.display.animationLoop=null),e&&(e.animationLoop=this),this.display=e}_requestAnimationFrame(){this._running&&(this._animationFrameId=this.props.animationFrameProvider.requestAnimationFrame(this._animationFrame.bind(this)))}_cancelAnimationFrame(){this._animationFrameId!==null&&(this.props.animationFrameProvider.cancelAnimationFrame(this._animationFrameId),this._animationFrameId=null)}_animationFrame(e,r){if(this._running)try{this.redraw(e,r??null),this._requestAnimationFrame()}catch(n){let i=n instanceof Error?n:new Error(String(n));this.reportError(i),this.stop()}}_renderFrame(e){if(this.display){this.display._renderFrame(e);return}let r=this.props.onRender(this._getAnimationProps());this.device&&r!==!1&&this.device.submit()}_clearNeedsRedraw(){this._needsRedraw=!1}_setupFrame(){this._resizeViewport()}_initializeAnimationProps(){let e=this.device?.getDefaultCanvasContext();if(!this.device||!e)throw new Error("loop");let r=e?.canvas,n=e.props.useDevicePixels;this.animationProps={animationLoop:this,device:this.device,canvasContext:e,canvas:r,useDevicePixels:n,timeline:this.timeline,needsRedraw:!1,width:1,height:1,aspect:1,time:0,startTime:Date.now(),engineTime:0,tick:0,tock:0,animationFrame:null,_mousePosition:null}}_getAnimationProps(){if(!this.animationProps)throw new Error("animationProps");return this.animationProps}_updateAnimationProps(){if(!this.animationProps)return;let{width:e,height:r,aspect:n}=this._getSizeAndAspect();(e!==this.animationProps.width||r!==this.animationProps.height)&&this.setNeedsRedraw("drawing buffer resized"),n!==this.animationProps.aspect&&this.setNeedsRedraw("drawing buffer aspect changed"),this.animationProps.width=e,this.animationProps.height=r,this.animationProps.aspect=n,this.animationProps.needsRedraw=this._needsRedraw,this.animationProps.engineTime=Date.now()-this.animationProps.startTime,this.timeline&&this.timeline.update(this.animationProps.engineTime),this.animationProps.tick=Math.floor(this.animationProps.time/1e3*60),this.animationProps.tock++,this.animationProps.time=this.timeline?this.timeline.getTime():this.animationProps.engineTime}async _initDevice(){if(this.device=await this.props.device,!this.device)throw new Error("No device provided");this.canvas=this.device.getDefaultCanvasContext().canvas||null}_createInfoDiv(){if(this.canvas&&this.props.onAddHTML){let e=document.createElement("div");document.body.appendChild(e),e.style.position="relative";let r=document.createElement("div");r.style.position="absolute",r.style.left="10px",r.style.bottom="10px",r.style.width="300px",r.style.background="white",this.canvas instanceof HTMLCanvasElement&&e.appendChild(this.canvas),e.appendChild(r);let n=this.props.onAddHTML(r);n&&(r.innerHTML=n)}}_getSizeAndAspect(){if(!this.device)return{width:1,height:1,aspect:1};let[e,r]=this.device.getDefaultCanvasContext().getDrawingBufferSize(),n=e>0&&r>0?e/r:1;return{width:e,height:r,aspect:n}}_resizeViewport(){this.props.autoResizeViewport&&this.device.gl&&this.device.gl.viewport(0,0,this.device.gl.drawingBufferWidth,this.device.gl.drawingBufferHeight)}_beginFrameTimers(e){let r=e??(typeof performance<"u"?performance.now():Date.now());if(this._lastFrameTime){let n=r-this._lastFrameTime;n>0&&this.frameRate.addTime(n)}this._lastFrameTime=r,this.device?._isDebugGPUTimeEnabled()&&this._consumeEncodedGpuTime(),this.cpuTime.timeStart()}_endFrameTimers(){this.device?._isDebugGPUTimeEnabled()&&this._consumeEncodedGpuTime(),this.cpuTime.timeEnd(),this._updateSharedStats()}_consumeEncodedGpuTime(){if(!this.device)return;let e=this.device.commandEncoder._gpuTimeMs;e!==void 0&&(this.gpuTime.addTime(e),this.device.commandEncoder._gpuTimeMs=void 0)}_updateSharedStats(){if(this.stats!==this.sharedStats){for(let e of Object.keys(this.sharedStats.stats))this.stats.stats[e]||delete this.sharedStats.stats[e];this.stats.forEach(e=>{let r=this.sharedStats.get(e.name,e.type);r.sampleSize=e.sampleSize,r.time=e.time,r.count=e.count,r.samples=e.samples,r.lastTiming=e.lastTiming,r.lastSampleTime=e.lastSampleTime,r.lastSampleCount=e.lastSampleCount,r._count=e._count,r._time=e._time,r._samples=e._samples,r._startTime=e._startTime,r._timerPending=e._timerPending})}}_startEventHandling(){this.canvas&&(this.canvas.addEventListener("mousemove",this._onMousemove.bind(this)),this.canvas.addEventListener("mouseleave",this._onMouseleave.bind(this)))}_onMousemove(e){e instanceof MouseEvent&&(this._getAnimationProps()._mousePosition=[e.offsetX,e.offsetY])}_onMouseleave(e){this._getAnimationProps()._mousePosition=null}}});function Kw(t,e){if(e instanceof Ml)return e;let r=Vw(e),n=bB(t,r),{attributes:i,bufferLayout:s}=wB(t,r);return new Ml({topology:r.topology||"triangle-list",bufferLayout:s,vertexCount:r.vertexCount,indices:n,attributes:i})}function bB(t,e){if(!e.indices)return;let r=e.indices.value;return t.createBuffer({usage:U.INDEX,data:r})}function wB(t,e){let r={};for(let[n,i]of Object.entries(e.attributes)){let s=e.bufferLayout.find(o=>o.name===n)?.name||kn(n);i&&(r[s]=t.createBuffer({data:i.value,id:`${n}-buffer`}))}return{attributes:r,bufferLayout:e.bufferLayout,vertexCount:e.vertexCount}}var Ml,Qw=b(()=>{N();Cl();Ww();Ui();Ml=class{id;userData={};topology;bufferLayout=[];vertexCount;indices;attributes;constructor(e){if(this.id=e.id||qt("geometry"),this.topology=e.topology,this.indices=e.indices||null,this.attributes=e.attributes,this.vertexCount=e.vertexCount,this.bufferLayout=e.bufferLayout||[],this.indices&&!(this.indices.usage&U.INDEX))throw new Error("Index buffer must have INDEX usage")}destroy(){this.indices?.destroy();for(let e of Object.values(this.attributes))e.destroy()}getVertexCount(){return this.vertexCount}getAttributes(){return this.attributes}getIndexes(){return this.indices||null}_calculateVertexCount(e){return e.byteLength/12}}});function Jw(t,e){let r={},n="Values";if(t.attributes.length===0&&!t.varyings?.length)return{"No attributes or varyings":{[n]:"N/A"}};for(let i of t.attributes)if(i){let s=`${i.location} ${i.name}: ${i.type}`;r[`in ${s}`]={[n]:i.stepMode||"vertex"}}for(let i of t.varyings||[]){let s=`${i.location} ${i.name}`;r[`out ${s}`]={[n]:JSON.stringify(i)}}return r}var ev=b(()=>{});function nv(t,e,r){if(t.device.type!=="webgl")return;let n=SB(t.device);if(!n.flushing){if(TB(t)){vB(t,r,n);return}e&&PB(e)&&e.handle!==null&&(n.queuedFramebuffers.includes(e)||n.queuedFramebuffers.push(e))}}function vB(t,e,r){if(r.queuedFramebuffers.length===0)return;let n=t.device,{gl:i}=n,s=i.getParameter(36010),o=i.getParameter(36006),[a,c]=t.device.getDefaultCanvasContext().getDrawingBufferSize(),l=rv(e.top,8),f=rv(e.left,8);r.flushing=!0;try{for(let u of r.queuedFramebuffers){let[d,h,p,m,g]=EB({framebuffer:u,targetWidth:a,targetHeight:c,topPx:l,leftPx:f,minimap:e.minimap});i.bindFramebuffer(36008,u.handle),i.bindFramebuffer(36009,null),i.blitFramebuffer(0,0,u.width,u.height,d,h,p,m,16384,9728),l+=g+8}}finally{i.bindFramebuffer(36008,s),i.bindFramebuffer(36009,o),r.flushing=!1}}function EB(t){let{framebuffer:e,targetWidth:r,targetHeight:n,topPx:i,leftPx:s,minimap:o}=t,a=o?Math.max(Math.floor(r/4),1):r,c=o?Math.max(Math.floor(n/4),1):n,l=Math.min(a/e.width,c/e.height),f=Math.max(Math.floor(e.width*l),1),u=Math.max(Math.floor(e.height*l),1),d=s,h=Math.max(n-i-u,0),p=d+f,m=h+u;return[d,h,p,m,u]}function SB(t){return t.userData[tv]||={flushing:!1,queuedFramebuffers:[]},t.userData[tv]}function PB(t){return"colorAttachments"in t}function TB(t){let e=t.props.framebuffer;return!e||e.handle===null}function rv(t,e){if(!t)return e;let r=Number.parseInt(t,10);return Number.isFinite(r)?r:e}var tv,iv=b(()=>{tv="__debugFramebufferState"});function $i(t,e,r){if(t===e)return!0;if(!r||!t||!e)return!1;if(Array.isArray(t)){if(!Array.isArray(e)||t.length!==e.length)return!1;for(let n=0;n<t.length;n++)if(!$i(t[n],e[n],r-1))return!1;return!0}if(Array.isArray(e))return!1;if(typeof t=="object"&&typeof e=="object"){let n=Object.keys(t),i=Object.keys(e);if(n.length!==i.length)return!1;for(let s of n)if(!e.hasOwnProperty(s)||!$i(t[s],e[s],r-1))return!1;return!0}return!1}var sv=b(()=>{});var Gi,ov=b(()=>{N();Gi=class{bufferLayouts;constructor(e){this.bufferLayouts=e}getBufferLayout(e){return this.bufferLayouts.find(r=>r.name===e)||null}getAttributeNamesForBuffer(e){return _i(e)}mergeBufferLayouts(e,r){let n=[...e];for(let i of r){let s=n.findIndex(o=>o.name===i.name);s<0?n.push(i):n[s]=i}return n}}});function av(t,e){let r=uh(t),n=e.slice();return n.sort((i,s)=>{let o=Vc(_i(i).map(c=>r[c])),a=Vc(_i(s).map(c=>r[c]));return o-a}),n}var cv=b(()=>{N()});function Vi(t,e){if(!t||!e.some(n=>n.bindingLayout?.length))return t;let r={...t,bindings:t.bindings.map(n=>({...n}))};"attributes"in(t||{})&&(r.attributes=t?.attributes||[]);for(let n of e)for(let i of n.bindingLayout||[])for(let s of AB(i.name)){let o=r.bindings.find(a=>a.name===s);o?.group===0&&(o.group=i.group),o&&i.visibility!==void 0&&(o.visibility=i.visibility)}return r}function lv(t,e,r=[]){return t?e?{...t,attributes:t.attributes.length?MB(t.attributes,e.attributes.filter(n=>r.includes(n.name))):e.attributes,bindings:CB(t.bindings,e.bindings)}:t:e}function Oo(t){return!!(t.uniformTypes&&!LB(t.uniformTypes))}function fv(t){let e=[];for(let r of t){let n=oo(r),i=new Set([r.vs,r.fs].flatMap(o=>o?ao(o).filter(a=>a.isStd140).map(a=>a.blockName):[])),s=i.has(n)?n:i.size===1?i.values().next().value:void 0;Oo(r)&&s&&e.push({name:s,uniformTypes:r.uniformTypes})}return e}function Il(t,e){let r=[],n=new Set;for(let i of[...t||[],...e||[]])n.has(i.name)||(n.add(i.name),r.push(i));return r}function AB(t){let e=new Set([t,`${t}Uniforms`]);return t.endsWith("Uniforms")||e.add(`${t}Sampler`),[...e]}function LB(t){for(let e in t)return!1;return!0}function CB(t,e){let r=t.map(s=>({...s})),n=new Set(t.map(s=>s.name)),i=new Set(t.map(s=>`${s.group}:${s.location}`));for(let s of e){let o=`${s.group}:${s.location}`;!n.has(s.name)&&!i.has(o)&&r.push({...s})}return r}function MB(t,e){let r=t.map(s=>({...s})),n=new Map(t.map(s=>[s.name,s])),i=new Map(t.map(s=>[s.location,s]));for(let s of e){let o=n.get(s.name);if(o){if(o.type!==s.type||o.location!==s.location)throw new Error(`Shader attribute "${s.name}" conflicts with its inferred type or location`);continue}let a=i.get(s.location);if(a)throw new Error(`Shader attributes "${a.name}" and "${s.name}" both use location ${s.location}`);r.push({...s})}return r}var zp=b(()=>{je()});function IB(t){return ks(t)||typeof t=="number"||typeof t=="boolean"}function uv(t,e={}){let r={bindings:{},uniforms:{}};return Object.keys(t).forEach(n=>{let i=t[n];Object.prototype.hasOwnProperty.call(e,n)||IB(i)?r.uniforms[n]=i:r.bindings[n]=i}),r}var dv=b(()=>{hd()});function hv(t={},e={},r={}){let n={...t};for(let[i,s]of Object.entries(e))s!==void 0&&(n[i]=Up(t[i],s,r[i]));return n}function Up(t,e,r){if(!r||typeof r=="string")return Bo(e);if(Array.isArray(r)){if($p(e)||!Array.isArray(e))return Bo(e);let o=Array.isArray(t)&&!$p(t)?[...t]:[],a=o.slice();for(let c=0;c<e.length;c++){let l=e[c];l!==void 0&&(a[c]=Up(o[c],l,r[0]))}return a}if(!Gp(e))return Bo(e);let n=r,i=Gp(t)?t:{},s={...i};for(let[o,a]of Object.entries(e))a!==void 0&&(s[o]=Up(i[o],a,n[o]));return s}function Bo(t){return ArrayBuffer.isView(t)?Array.prototype.slice.call(t):Array.isArray(t)?$p(t)?t.slice():t.map(r=>r===void 0?void 0:Bo(r)):Gp(t)?Object.fromEntries(Object.entries(t).map(([e,r])=>[e,r===void 0?void 0:Bo(r)])):t}function $p(t){return ArrayBuffer.isView(t)||Array.isArray(t)&&(t.length===0||typeof t[0]=="number")}function Gp(t){return!!t&&typeof t=="object"&&!Array.isArray(t)&&!ArrayBuffer.isView(t)}function RB(t){return!!t?.dependencies}var Wi,Vp=b(()=>{N();je();dv();Wi=class{options={disableWarnings:!1};modules;moduleUniforms;moduleBindings;directBindings={};constructor(e,r){Object.assign(this.options,r);let n=an(Object.values(e).filter(RB));for(let i of n)e[i.name]=i;P.log(1,"Creating ShaderInputs with modules",Object.keys(e))(),this.modules=e,this.moduleUniforms={},this.moduleBindings={};for(let[i,s]of Object.entries(e))s&&(this._addModule(s),s.name&&i!==s.name&&!this.options.disableWarnings&&P.warn(`Module name: ${i} vs ${s.name}`)())}destroy(){}setProps(e){e.bindings&&Object.assign(this.directBindings,e.bindings);for(let r of Object.keys(e)){if(r==="bindings")continue;let n=r,i=e[n]||{},s=this.modules[n];if(!s)this.options.disableWarnings||P.warn(`Module ${r} not found`)();else{let o=this.moduleUniforms[n],a=this.moduleBindings[n],c=s.getUniforms?.(i,o)||i,{uniforms:l,bindings:f}=uv(c,s.uniformTypes);this.moduleUniforms[n]=hv(o,l,s.uniformTypes),this.moduleBindings[n]={...a,...f}}}}getModules(){return Object.values(this.modules)}addModules(e){let r=an(e);for(let n of r){let i=n.name;this.modules[i]||(this.modules[i]=n,this._addModule(n))}}getUniformValues(){return this.moduleUniforms}getBindingValues(){let e={};for(let r of Object.values(this.moduleBindings))Object.assign(e,r);return Object.assign(e,this.directBindings),e}getModuleBindingValues(e){let r=this.moduleBindings[e];return r?{...r}:{}}getDebugTable(){let e={};for(let[r,n]of Object.entries(this.moduleUniforms))for(let[i,s]of Object.entries(n))e[`${r}.${i}`]={type:this.modules[r].uniformTypes?.[i],value:String(s)};return e}_addModule(e){let r=e.name;this.moduleUniforms[r]=hv({},e.defaultUniforms||{},e.uniformTypes),this.moduleBindings[r]={}}}});function Wp(t){return t!==null&&typeof t=="object"&&"buffer"in t}function OB(t){return t instanceof Te?t.buffer:t}function pv(t){return{buffer:OB(t.buffer),offset:t.offset,size:t.size}}var kB,Te,jp=b(()=>{N();Ui();kB=U.DEBUG_DATA_MAX_LENGTH,Te=class{device;id;ready;usage;props;isReady=!0;destroyed=!1;generation=0;updateTimestamp;debugData=new ArrayBuffer(0);_debugDataEnabled;_maxDebugDataByteLength;_ownsBuffer;_buffer;get buffer(){return this._buffer}get byteLength(){return this._buffer.byteLength}get[Symbol.toStringTag](){return"DynamicBuffer"}toString(){return`DynamicBuffer:"${this.id}":${this.byteLength}B`}toJSON(){return this.toString()}constructor(e,r){let{debugData:n=!1,buffer:i,ownsBuffer:s=!0,...o}=r;if(i&&i.device!==e)throw new Error("DynamicBuffer adopted buffers must belong to the supplied device");if(i&&(o.byteLength!==void 0||o.data!==void 0))throw new Error("DynamicBuffer cannot combine an adopted buffer with byteLength or data");let a=r.id||i?.id||qt("dynamic-buffer"),c={...o,id:a,usage:o.usage??i?.usage,indexType:o.indexType??i?.indexType};(c.usage||0)&U.INDEX&&!c.indexType&&(o.data instanceof Uint32Array?c.indexType="uint32":o.data instanceof Uint16Array?c.indexType="uint16":o.data instanceof Uint8Array&&(c.indexType="uint8")),delete c.data,delete c.byteOffset,this.device=e,this.id=a,this.props=c,this.usage=c.usage||0,this._debugDataEnabled=!!n,this._maxDebugDataByteLength=typeof n=="object"&&n.maxByteLength!==void 0?n.maxByteLength:kB,this._ownsBuffer=s,this._buffer=i??this.device.createBuffer({...o,id:a}),this.ready=Promise.resolve(this._buffer),this.updateTimestamp=this._buffer.updateTimestamp,this._resetDebugData(this._buffer.byteLength),o.data&&this._writeDebugData(o.data,o.byteOffset||0)}write(e,r=0){this._buffer.write(e,r),this._touch(),this._writeDebugData(e,r)}async mapAndWriteAsync(e,r=0,n=this.byteLength-r){let i=null;await this._buffer.mapAndWriteAsync(async(s,o)=>{await e(s,o),i=new Uint8Array(s.slice(0,n))},r,n),this._touch(),i&&this._writeDebugData(i,r)}async readAsync(e=0,r=this.byteLength-e){let n=await this._buffer.readAsync(e,r);return this._writeDebugData(n,e)&&this._touch(),n}async mapAndReadAsync(e,r=0,n=this.byteLength-r){let i=null,s=await this._buffer.mapAndReadAsync(async(o,a)=>(i=new Uint8Array(o.slice(0)),await e(o,a)),r,n);return i&&this._writeDebugData(i,r)&&this._touch(),s}resize(e){let{byteLength:r,preserveData:n=!1}=e;if(r===this.byteLength)return!1;let i=Math.min(e.copyByteLength??Math.min(this.byteLength,r),this.byteLength,r),s=this._buffer,o=this.debugData.slice(0),{data:a,byteOffset:c,...l}=this.props,f=this.device.createBuffer({...l,byteLength:r});return n&&i>0&&this._copyBufferContents(s,f,i),this._buffer=f,this._resetDebugData(r),n&&o.byteLength>0&&this._writeDebugData(o,0),this._ownsBuffer&&s.destroy(),this._ownsBuffer=!0,this.generation++,this._touch(),!0}ensureSize(e,r){return e<=this.byteLength?!1:this.resize({byteLength:e,preserveData:r?.preserveData})}getBinding(e){return e?.offset===void 0&&e?.size===void 0?this._buffer:{buffer:this._buffer,offset:e?.offset,size:e?.size}}destroy(){this.destroyed||(this._ownsBuffer&&this._buffer.destroy(),this.destroyed=!0,this.debugData=new ArrayBuffer(0))}_copyBufferContents(e,r,n){let i=this.device.type==="webgpu"?Math.ceil(n/4)*4:n,s=this.device.createCommandEncoder();s.copyBufferToBuffer({sourceBuffer:e,destinationBuffer:r,size:i}),this.device.submit(s.finish())}_touch(){this.updateTimestamp=this.device.incrementTimestamp()}_resetDebugData(e){if(!this._debugDataEnabled){this.debugData=new ArrayBuffer(0);return}this.debugData=new ArrayBuffer(Math.min(e,this._maxDebugDataByteLength))}_writeDebugData(e,r){if(!this._debugDataEnabled||this.debugData.byteLength===0||r>=this.debugData.byteLength)return!1;let n=ArrayBuffer.isView(e)?new Uint8Array(e.buffer,e.byteOffset,e.byteLength):new Uint8Array(e),i=new Uint8Array(this.debugData),s=Math.min(n.byteLength,i.byteLength-r);return i.set(n.subarray(0,s),r),s>0}}});function Do(t){return t!==null&&typeof t=="object"&&"resolveTextureBinding"in t&&typeof t.resolveTextureBinding=="function"}function BB(t){return t?.type==="texture"||t?.type==="external-texture"}function mv(t,e,r){let n=Nc(t,e,{ignoreWarnings:!0});return BB(n)?n:t.bindings.length===0&&r?.fallbackGroup!==void 0?{type:"texture",name:e,group:r.fallbackGroup,location:0}:null}var gv=b(()=>{N()});function Yp(t,e){return t.shaderLanguage!==void 0&&t.shaderLanguage!==e?!1:e==="glsl"?"assembleGLSLShaderPair"in t&&typeof t.assembleGLSLShaderPair=="function":"assembleWGSLShader"in t&&typeof t.assembleWGSLShader=="function"}function FB(t,e){return!t||Object.keys(e).length===0?t:{...t,attributes:t.attributes.map(r=>{let n=r.name.startsWith("_luma_")?r.name.slice(6):null;return n&&e[n]?{...r,name:n}:r})}}function zB(t,e,r){if(Do(e)){let n=mv(r,t,{fallbackGroup:0});return n?e.resolveTextureBinding(n):null}return e instanceof Te?e.buffer:Wp(e)?pv(e):e}function UB(t){return t&&!yv(t)?t:null}function $B(t){return t&&yv(t)?t:void 0}function yv(t){return NB.includes(t)}function GB(t){return{type:t.type,shaderLanguage:t.info.shadingLanguage,shaderLanguageVersion:t.info.shadingLanguageVersion,gpu:t.info.gpu,limits:t.limits,features:t.features}}var Xt,DB,Hp,NB,Ae,qp=b(()=>{N();je();Qw();ev();iv();sv();ov();cv();zp();Ui();Vp();jp();gv();Xt=2,DB=1e4,Hp="render pipeline initialization failed",NB=["stencil8","depth16unorm","depth24plus","depth24plus-stencil8","depth32float","depth32float-stencil8"],Ae=class t{static defaultProps={...lt.defaultProps,source:void 0,vs:null,fs:null,id:"unnamed",handle:void 0,userData:{},defines:{},modules:[],plugins:[],geometry:null,indexBuffer:null,indexCount:void 0,firstVertex:0,firstIndex:0,attributes:{},constantAttributes:{},bindings:{},uniforms:{},varyings:[],isInstanced:void 0,instanceCount:0,vertexCount:0,shaderInputs:void 0,material:void 0,pipelineFactory:void 0,shaderFactory:void 0,transformFeedback:void 0,shaderAssembler:ft.getDefaultShaderAssembler("glsl"),debugShaders:void 0,disableWarnings:void 0};device;id;source;vs;fs;pipelineFactory;shaderFactory;userData={};parameters;topology;bufferLayout;isInstanced=void 0;instanceCount=0;vertexCount;indexCount;firstVertex;firstIndex;indexBuffer=null;bufferAttributes={};constantAttributes={};bindings={};vertexArray;transformFeedback=null;pipeline;shaderInputs;material=null;_uniformStore;_attributeInfos={};_gpuGeometry=null;props;_dynamicIndexBufferSource=null;_dynamicAttributeBufferSources={};_colorAttachmentFormats;_depthStencilAttachmentFormat;_pipelineNeedsUpdate="newly created";_needsRedraw="initializing";_drawBlockedReason=!1;_destroyed=!1;_vertexCountSet=!1;_lastDrawTimestamp=-1;_bindingTable=[];get[Symbol.toStringTag](){return"Model"}toString(){return`Model(${this.id})`}constructor(e,r){let n=t.defaultProps.shaderAssembler,i=r.vertexCount!==void 0;this.props={...t.defaultProps,...r,shaderAssembler:r.shaderAssembler??(Yp(n,e.info.shadingLanguage)?n:ft.getDefaultShaderAssembler(e.info.shadingLanguage))},this._vertexCountSet=i,r=this.props,this.id=r.id||qt("model"),this.device=e,Object.assign(this.userData,r.userData),this.material=r.material||null;let s=GB(e),o=io(this.props.plugins,s.shaderLanguage),a=so(this.props.modules,o.modules),c=Object.fromEntries(a.map(h=>[h.name,h])),l=r.shaderInputs||new Wi(c,{disableWarnings:this.props.disableWarnings});r.shaderInputs&&o.modules.length>0&&l.addModules(o.modules),this.setShaderInputs(l);let f=Il(this.props.modules,l.getModules()),u={...o.defines,...this.props.defines};if(this.device.type==="webgl"&&(this.props._uniformBlockLayouts=fv(f)),this.props.shaderLayout=Vi(this.props.shaderLayout,f)||null,this.device.type==="webgpu"&&this.props.source){let h=this.props.shaderAssembler;Ar(Yp(h,"wgsl"));let{source:p,getUniforms:m,bindingTable:g,shaderLayout:y}=h.assembleWGSLShader({platformInfo:s,...this.props,modules:f,defines:u,pluginInjections:o.injections,pluginVertexInputs:o.vertexInputs,pluginVaryings:o.varyings});this.source=p,this._getModuleUniforms=m,this._bindingTable=g;let _=y??e.getShaderLayout?.(this.source),x=FB(_,o.vertexInputs),w=lv(this.props.shaderLayout,x,Object.keys(o.vertexInputs));this.props.shaderLayout=Vi(w||null,f)||null}else{let h=this.props.shaderAssembler;Ar(Yp(h,"glsl"));let{vs:p,fs:m,getUniforms:g}=h.assembleGLSLShaderPair({platformInfo:s,...this.props,modules:f,defines:u,pluginInjections:o.injections,pluginVertexInputs:o.vertexInputs,pluginVaryings:o.varyings});this.vs=p,this.fs=m,this._getModuleUniforms=g,this._bindingTable=[]}this.vertexCount=this.props.vertexCount,this.indexCount=this.props.indexCount,this.firstVertex=this.props.firstVertex,this.firstIndex=this.props.firstIndex,this.instanceCount=this.props.instanceCount,this.topology=this.props.topology,this.bufferLayout=this.props.bufferLayout,this.parameters=this.props.parameters,this._colorAttachmentFormats=this.props.colorAttachmentFormats,this._depthStencilAttachmentFormat=this.props.depthStencilAttachmentFormat,r.geometry&&this.setGeometry(r.geometry),this.pipelineFactory=r.pipelineFactory||pn.getDefaultPipelineFactory(this.device),this.shaderFactory=r.shaderFactory||mn.getDefaultShaderFactory(this.device),this.pipeline=this._updatePipeline(),this.vertexArray=e.createVertexArray({shaderLayout:this.pipeline.shaderLayout,bufferLayout:this.pipeline.bufferLayout}),this._gpuGeometry&&this._setGeometryAttributes(this._gpuGeometry),"isInstanced"in r&&(this.isInstanced=r.isInstanced),r.instanceCount&&this.setInstanceCount(r.instanceCount),r.vertexCount&&this.setVertexCount(r.vertexCount),r.indexBuffer&&this.setIndexBuffer(r.indexBuffer),r.attributes&&this.setAttributes(r.attributes),r.constantAttributes&&this.setConstantAttributes(r.constantAttributes),r.bindings&&this.setBindings(r.bindings),r.transformFeedback&&(this.transformFeedback=r.transformFeedback)}destroy(){this._destroyed||(this.pipelineFactory.release(this.pipeline),this.shaderFactory.release(this.pipeline.vs),this.pipeline.fs&&this.pipeline.fs!==this.pipeline.vs&&this.shaderFactory.release(this.pipeline.fs),this._uniformStore.destroy(),this._gpuGeometry?.destroy(),this._destroyed=!0)}needsRedraw(){this._getBindingsUpdateTimestamp()>this._lastDrawTimestamp&&this.setNeedsRedraw("contents of bound textures or buffers updated");let e=this._needsRedraw;return this._needsRedraw=!1,e}setNeedsRedraw(e){this._needsRedraw||=e}getBindingDebugTable(){return this._bindingTable}predraw(e){this._syncDynamicBuffers(),this.updateShaderInputs(e),this.material?.updateShaderInputs(e),this.pipeline=this._updatePipeline()}draw(e){if(this._drawBlockedReason&&!this._pipelineNeedsUpdate)return P.info(Xt,`>>> DRAWING ABORTED ${this.id}: ${this._drawBlockedReason}`)(),!1;let r=this._areBindingsLoading();if(r)return P.info(Xt,`>>> DRAWING ABORTED ${this.id}: ${r} not loaded`)(),!1;this._syncAttachmentFormats(e);try{e.pushDebugGroup(`${this}.predraw(${e})`),this.device.type==="webgpu"?(this.updateShaderInputs(),this.material?.updateShaderInputs(),this._syncDynamicBuffers(),this.pipeline=this._updatePipeline()):this.predraw(this.device.commandEncoder)}finally{e.popDebugGroup()}let n,i=this.pipeline.isErrored;try{if(e.pushDebugGroup(`${this}.draw(${e})`),this._logDrawCallStart(),this.pipeline=this._updatePipeline(),i=this.pipeline.isErrored,i)P.info(Xt,`>>> DRAWING ABORTED ${this.id}: ${Hp}`)(),n=!1;else{let s=this.vertexArray.getDrawValidationError();if(s)P.info(Xt,`>>> DRAWING ABORTED ${this.id}: ${s}`)(),this._drawBlockedReason=s,n=!1;else{let o=this._getCurrentShaderLayout(),a=this._getBindings(o),c=this._getBindGroups(o,a),{indexBuffer:l}=this.vertexArray,f=l?this.indexCount??(this._vertexCountSet?this.vertexCount:l.byteLength/(l.indexType==="uint32"?4:2)):void 0;e.setPipeline(this.pipeline),e.setBindings(c,{_bindGroupCacheKeys:this._getBindGroupCacheKeys()}),e.setVertexArray(this.vertexArray),n=this.isInstanced===!0&&this.instanceCount===0?!0:e.draw({isInstanced:this.isInstanced,vertexCount:this.vertexCount,instanceCount:this.isInstanced?this.instanceCount:void 0,indexCount:f,firstVertex:this.firstVertex,firstIndex:this.firstIndex,transformFeedback:this.transformFeedback||void 0,uniforms:this.props.uniforms,parameters:this.parameters,topology:this.topology})}}}finally{e.popDebugGroup(),this._logDrawCallEnd()}return this._logFramebuffer(e),n?(this._lastDrawTimestamp=this.device.timestamp,this._needsRedraw=!1):i?(this._needsRedraw=Hp,this._drawBlockedReason=Hp):this._drawBlockedReason?this._needsRedraw=this._drawBlockedReason:this._needsRedraw="waiting for resource initialization",n}setGeometry(e){this._gpuGeometry?.destroy();let r=e&&Kw(this.device,e);if(r){this.setTopology(r.topology||"triangle-list");let n=new Gi(this.bufferLayout);this.bufferLayout=n.mergeBufferLayouts(r.bufferLayout,this.bufferLayout),this.vertexArray&&this._setGeometryAttributes(r)}this._gpuGeometry=r}setTopology(e){e!==this.topology&&(this.topology=e,this._setPipelineNeedsUpdate("topology"))}setBufferLayout(e){let r=new Gi(this.bufferLayout),n=this._gpuGeometry?r.mergeBufferLayouts(e,this._gpuGeometry.bufferLayout):e;$i(n,this.bufferLayout,-1)||(this.bufferLayout=n,this._setPipelineNeedsUpdate("bufferLayout"),this.pipeline=this._updatePipeline(),this.vertexArray=this.device.createVertexArray({shaderLayout:this.pipeline.shaderLayout,bufferLayout:this.pipeline.bufferLayout}),this._gpuGeometry&&this._setGeometryAttributes(this._gpuGeometry))}setParameters(e){$i(e,this.parameters,2)||(this.parameters=e,this._setPipelineNeedsUpdate("parameters"))}setInstanceCount(e){this.instanceCount=e,this.isInstanced===void 0&&e>0&&(this.isInstanced=!0),this.setNeedsRedraw("instanceCount")}setVertexCount(e){this.vertexCount=e,this._vertexCountSet=!0,this.setNeedsRedraw("vertexCount")}setIndexCount(e){this.indexCount=e,this.setNeedsRedraw("indexCount")}setDrawOffsets({firstVertex:e,firstIndex:r}){this.firstVertex=e,this.firstIndex=r,this.setNeedsRedraw("drawOffsets")}setShaderInputs(e){this.shaderInputs=e,this._uniformStore=new _n(this.device,this.shaderInputs.modules);for(let[r,n]of Object.entries(this.shaderInputs.modules))if(Oo(n)&&!this.material?.ownsModule(r)){let i=this._uniformStore.getManagedUniformBuffer(r);this.bindings[`${r}Uniforms`]=i}this.setNeedsRedraw("shaderInputs")}setMaterial(e){this.material=e,this.setNeedsRedraw("material")}updateShaderInputs(e){this._uniformStore.setUniforms(this.shaderInputs.getUniformValues(),e),this.setBindings(this._getNonMaterialBindings(this.shaderInputs.getBindingValues())),this.setNeedsRedraw("shaderInputs")}setBindings(e){Object.assign(this.bindings,e),this.setNeedsRedraw("bindings")}setTransformFeedback(e){this.transformFeedback=e,this.setNeedsRedraw("transformFeedback")}setIndexBuffer(e){let r=e instanceof Te?e.buffer:e;this.indexBuffer=r,this._dynamicIndexBufferSource=e instanceof Te?{source:e,generation:e.generation}:null,this.vertexArray.setIndexBuffer(r),this.setNeedsRedraw("indexBuffer")}setAttributes(e,r){this._drawBlockedReason=!1;let n=r?.disableWarnings??this.props.disableWarnings;e.indices&&P.warn(`Model:${this.id} setAttributes() - indexBuffer should be set using setIndexBuffer()`)(),this.bufferLayout=av(this.pipeline.shaderLayout,this.bufferLayout);let i=new Gi(this.bufferLayout);for(let[s,o]of Object.entries(e)){let a=o instanceof Te?o.buffer:o,c=i.getBufferLayout(s);if(!c){n||P.warn(`Model(${this.id}): Missing layout for buffer "${s}".`)();continue}let l=i.getAttributeNamesForBuffer(c),f=!1;for(let u of l){let d=this._attributeInfos[u];if(d){let h=this.device.type==="webgpu"?this.vertexArray.getBufferSlot(d.bufferName):d.location;if(h===null){n||P.warn(`Model(${this.id}): Missing vertex array slot for buffer "${d.bufferName}".`)();continue}this.vertexArray.setBuffer(h,a),o instanceof Te?this._dynamicAttributeBufferSources[h]={source:o,generation:o.generation}:delete this._dynamicAttributeBufferSources[h],f=!0}}!f&&!n&&P.warn(`Model(${this.id}): Ignoring buffer "${a.id}" for unknown attribute "${s}"`)()}this.setNeedsRedraw("attributes")}setConstantAttributes(e,r){for(let[n,i]of Object.entries(e)){let s=this._attributeInfos[n];s?this.vertexArray.setConstantWebGL(s.location,i):(r?.disableWarnings??this.props.disableWarnings)||P.warn(`Model "${this.id}: Ignoring constant supplied for unknown attribute "${n}"`)()}this.setNeedsRedraw("constants")}_areBindingsLoading(){for(let e of Object.values(this.bindings))if(Do(e)&&!e.isReady)return e.id;for(let e of Object.values(this.material?.bindings||{}))if(Do(e)&&!e.isReady)return e.id;return!1}_getBindings(e=this._getCurrentShaderLayout()){let r={};for(let[n,i]of Object.entries(this.bindings)){let s=zB(n,i,e);s&&(r[n]=s)}return r}_getBindGroups(e=this._getCurrentShaderLayout(),r=this._getBindings(e)){let n=e.bindings.length?gn(e,r):{0:r};if(!this.material)return n;for(let[i,s]of Object.entries(this.material.getBindingsByGroup(e))){let o=Number(i);n[o]={...n[o]||{},...s}}return n}_getBindGroupCacheKeys(){let e=this.material?.getBindGroupCacheKey(3);return e?{3:e}:{}}_getBindingsUpdateTimestamp(){let e=0;this._dynamicIndexBufferSource&&(e=Math.max(e,this._dynamicIndexBufferSource.source.updateTimestamp));for(let r of Object.values(this._dynamicAttributeBufferSources))e=Math.max(e,r.source.updateTimestamp);for(let r of Object.values(this.bindings))r instanceof un?e=Math.max(e,r.texture.updateTimestamp):r instanceof U||r instanceof q||r instanceof Hs||r instanceof Te?e=Math.max(e,r.updateTimestamp):Do(r)?e=r.isReady?Math.max(e,r.updateTimestamp):1/0:Wp(r)&&(e=Math.max(e,(r.buffer instanceof Te,r.buffer.updateTimestamp)));return Math.max(e,this.material?.getBindingsUpdateTimestamp()||0)}_setGeometryAttributes(e){let r={...e.attributes};for(let[n]of Object.entries(r))!this.pipeline.shaderLayout.attributes.find(i=>i.name===n)&&n!=="positions"&&delete r[n];this.vertexCount=e.vertexCount,this._vertexCountSet=!0,this.setIndexBuffer(e.indices||null),this.setAttributes(e.attributes,{disableWarnings:!0}),this.setAttributes(r,{disableWarnings:this.props.disableWarnings}),this.setNeedsRedraw("geometry attributes")}_setPipelineNeedsUpdate(e){this._pipelineNeedsUpdate||=e,this._drawBlockedReason=!1,this.setNeedsRedraw(e)}_updatePipeline(){if(this._pipelineNeedsUpdate){let e=null,r=null;this.pipeline&&(P.log(1,`Model ${this.id}: Recreating pipeline because "${this._pipelineNeedsUpdate}".`)(),e=this.pipeline.vs,r=this.pipeline.fs),this._pipelineNeedsUpdate=!1;let n=this.shaderFactory.createShader({id:`${this.id}-vertex`,stage:"vertex",source:this.source||this.vs,debugShaders:this.props.debugShaders}),i=null;this.source?i=n:this.fs&&(i=this.shaderFactory.createShader({id:`${this.id}-fragment`,stage:"fragment",source:this.source||this.fs,debugShaders:this.props.debugShaders})),this.pipeline=this.pipelineFactory.createRenderPipeline({...this.props,bindings:void 0,bufferLayout:this.bufferLayout,colorAttachmentFormats:this._colorAttachmentFormats,depthStencilAttachmentFormat:this._depthStencilAttachmentFormat,topology:this.topology,parameters:this.parameters,bindGroups:void 0,vs:n,fs:i}),this._attributeInfos=no(this.pipeline.shaderLayout,this.bufferLayout),e&&this.shaderFactory.release(e),r&&r!==e&&this.shaderFactory.release(r)}return this.pipeline}_lastLogTime=0;_logOpen=!1;_logDrawCallStart(){let e=P.level>3?0:DB;P.level<2||Date.now()-this._lastLogTime<e||(this._lastLogTime=Date.now(),this._logOpen=!0,P.group(Xt,`>>> DRAWING MODEL ${this.id}`,{collapsed:P.level<=2})())}_logDrawCallEnd(){if(this._logOpen){let e=Jw(this.pipeline.shaderLayout,this.id);P.table(Xt,e)();let r=this.shaderInputs.getDebugTable();P.table(Xt,r)();let n=this._getAttributeDebugTable();P.table(Xt,this._attributeInfos)(),P.table(Xt,n)(),P.groupEnd(Xt)(),this._logOpen=!1}}_drawCount=0;_logFramebuffer(e){let r=this.device.props.debugFramebuffers;if(this._drawCount++,!r)return;let n=e.props.framebuffer;nv(e,n,{id:n?.id||`${this.id}-framebuffer`,minimap:!0})}_getAttributeDebugTable(){let e={};for(let[r,n]of Object.entries(this._attributeInfos)){let i=this.vertexArray.attributes[n.location];e[n.location]={name:r,type:n.shaderType,values:i?this._getBufferOrConstantValues(i,n.bufferDataType):"null"}}if(this.vertexArray.indexBuffer){let{indexBuffer:r}=this.vertexArray,n=r.indexType==="uint32"?new Uint32Array(r.debugData):new Uint16Array(r.debugData);e.indices={name:"indices",type:r.indexType,values:n.toString()}}return e}_getBufferOrConstantValues(e,r){let n=we.getTypedArrayConstructor(r);return(e instanceof U?new n(e.debugData):e).toString()}_getNonMaterialBindings(e){if(!this.material)return e;let r={};for(let[n,i]of Object.entries(e))this.material.ownsBinding(n)||(r[n]=i);return r}_getCurrentShaderLayout(){return this.pipeline?.shaderLayout||this.props.shaderLayout||{bindings:[]}}_syncDynamicBuffers(){if(this._dynamicIndexBufferSource&&this._dynamicIndexBufferSource.generation!==this._dynamicIndexBufferSource.source.generation){let e=this._dynamicIndexBufferSource.source.buffer;this.indexBuffer=e,this.vertexArray.setIndexBuffer(e),this._dynamicIndexBufferSource.generation=this._dynamicIndexBufferSource.source.generation,this.setNeedsRedraw("dynamic index buffer")}for(let[e,r]of Object.entries(this._dynamicAttributeBufferSources))r.generation!==r.source.generation&&(this.vertexArray.setBuffer(Number(e),r.source.buffer),r.generation=r.source.generation,this.setNeedsRedraw("dynamic attribute buffer"))}_syncAttachmentFormats(e){if(this.device.type!=="webgpu")return;let r=e.framebuffer||e.props.framebuffer,n=e.props,i=n.colorAttachmentFormats??r?.colorAttachments?.map(o=>UB(o?.texture?.format)),s=n.depthStencilAttachmentFormat===!1?void 0:n.depthStencilAttachmentFormat??$B(r?.depthStencilAttachment?.texture?.format);(!$i(this._colorAttachmentFormats,i,1)||this._depthStencilAttachmentFormat!==s)&&(this._colorAttachmentFormats=i,this._depthStencilAttachmentFormat=s,this._setPipelineNeedsUpdate("attachment formats"))}}});var VB,WB,Le,_v=b(()=>{N();je();qp();VB=35980,WB=35981,Le=class t{device;model;transformFeedback;static defaultProps={...Ae.defaultProps,feedbackBufferMode:"separate",outputs:void 0,feedbackBuffers:void 0};static isSupported(e){return e?.info?.type==="webgl"}constructor(e,r=t.defaultProps){if(!t.isSupported(e))throw new Error("BufferTransform not yet implemented on WebGPU");this.device=e,this.model=new Ae(this.device,{id:r.id||"buffer-transform-model",fs:r.fs||Ah(),topology:r.topology||"point-list",varyings:r.outputs||r.varyings,...r,bufferMode:r.bufferMode||(r.feedbackBufferMode==="interleaved"?VB:WB)}),this.transformFeedback=this.device.createTransformFeedback({layout:this.model.pipeline.shaderLayout,buffers:r.feedbackBuffers}),this.model.setTransformFeedback(this.transformFeedback)}destroy(){this.model&&this.model.destroy()}delete(){this.destroy()}run(e){e?.inputBuffers&&this.model.setAttributes(e.inputBuffers),e?.outputBuffers&&this.transformFeedback.setBuffers(e.outputBuffers);let r=this.device.beginRenderPass({discard:!0,...e});this.model.draw(r),r.end()}getBuffer(e){return this.transformFeedback.getBuffer(e)}readAsync(e){let r=this.getBuffer(e);if(!r)throw new Error("BufferTransform#getBuffer");if(r instanceof U)return r.readAsync();let{buffer:n,byteOffset:i=0,byteLength:s=n.byteLength}=r;return n.readAsync(i,s)}}});function HB(t){return{type:t.type,shaderLanguage:t.info.shadingLanguage,shaderLanguageVersion:t.info.shadingLanguageVersion,gpu:t.info.gpu,limits:t.limits,features:t.features}}var Xp,jB,rt,xv=b(()=>{N();je();hd();Vp();zp();Ui();Xp=2,jB=1e4,rt=class t{static defaultProps={...Mr.defaultProps,id:"unnamed",handle:void 0,userData:{},source:"",modules:[],defines:{},plugins:[],bindings:void 0,shaderInputs:void 0,pipelineFactory:void 0,shaderFactory:void 0,shaderAssembler:ft.getDefaultShaderAssembler("wgsl"),debugShaders:void 0};device;id;pipelineFactory;shaderFactory;userData={};bindings={};pipeline;source;shader;shaderInputs;_uniformStore;_pipelineNeedsUpdate="newly created";_getModuleUniforms;props;_destroyed=!1;constructor(e,r){if(e.type!=="webgpu")throw new Error("Computation is only supported in WebGPU");this.props={...t.defaultProps,...r},r=this.props,this.id=r.id||qt("model"),this.device=e,Object.assign(this.userData,r.userData);let n=HB(e),i=io(this.props.plugins,n.shaderLanguage);if(Object.keys(i.vertexInputs).length>0||Object.keys(i.varyings).length>0)throw new Error("Computation does not support ShaderPlugin vertex inputs or varyings");let s=so(this.props.modules,i.modules),o=Object.fromEntries(s.map(p=>[p.name,p]));this.shaderInputs=r.shaderInputs||new Wi(o),r.shaderInputs&&i.modules.length>0&&this.shaderInputs.addModules(i.modules),this.setShaderInputs(this.shaderInputs);let a=Il(this.props.modules,this.shaderInputs?.getModules()),c={...i.defines,...this.props.defines};this.props.shaderLayout=Vi(this.props.shaderLayout,a)||null,this.pipelineFactory=r.pipelineFactory||pn.getDefaultPipelineFactory(this.device),this.shaderFactory=r.shaderFactory||mn.getDefaultShaderFactory(this.device);let l=this.props.shaderAssembler;Ar(l instanceof Rr);let{source:f,getUniforms:u,shaderLayout:d}=l.assembleWGSLShader({platformInfo:n,...this.props,modules:a,defines:c,scanVertexAttributes:!1,pluginInjections:i.injections});this.source=f,this._getModuleUniforms=u;let h=d??e.getShaderLayout?.(this.source,{scanVertexAttributes:!1});this.props.shaderLayout=Vi(this.props.shaderLayout||h||null,a)||null,this.pipeline=this._updatePipeline(),r.bindings&&this.setBindings(r.bindings)}destroy(){this._destroyed||(this.pipelineFactory.release(this.pipeline),this.shaderFactory.release(this.shader),this._uniformStore.destroy(),this._destroyed=!0)}predraw(e){this.updateShaderInputs(e)}dispatch(e,r,n,i){try{this._logDrawCallStart(),this._setPipeline(e),e.dispatch(r,n,i)}finally{this._logDrawCallEnd()}}dispatchIndirect(e,r,n=0){try{this._logDrawCallStart(),this._setPipeline(e),e.dispatchIndirect(r,n)}finally{this._logDrawCallEnd()}}_setPipeline(e){this.pipeline=this._updatePipeline(),this.pipeline.setBindings(this.bindings),e.setPipeline(this.pipeline),e.setBindings({})}setVertexCount(e){}setInstanceCount(e){}setShaderInputs(e){this.shaderInputs=e,this._uniformStore=new _n(this.device,this.shaderInputs.modules);for(let[r,n]of Object.entries(this.shaderInputs.modules))if(Oo(n)){let i=this._uniformStore.getManagedUniformBuffer(r);this.bindings[`${r}Uniforms`]=i}}setShaderModuleProps(e){let r=this._getModuleUniforms(e),n=Object.keys(r).filter(s=>{let o=r[s];return!ks(o)&&typeof o!="number"&&typeof o!="boolean"}),i={};for(let s of n)i[s]=r[s],delete r[s]}updateShaderInputs(e){this._uniformStore.setUniforms(this.shaderInputs.getUniformValues(),e)}setBindings(e){Object.assign(this.bindings,e)}_setPipelineNeedsUpdate(e){this._pipelineNeedsUpdate=this._pipelineNeedsUpdate||e}_updatePipeline(){if(this._pipelineNeedsUpdate){let e=null;this.pipeline&&(P.log(1,`Model ${this.id}: Recreating pipeline because "${this._pipelineNeedsUpdate}".`)(),e=this.shader),this._pipelineNeedsUpdate=!1,this.shader=this.shaderFactory.createShader({id:`${this.id}-fragment`,stage:"compute",source:this.source,debugShaders:this.props.debugShaders}),this.pipeline=this.pipelineFactory.createComputePipeline({...this.props,shader:this.shader}),e&&this.shaderFactory.release(e)}return this.pipeline}_lastLogTime=0;_logOpen=!1;_logDrawCallStart(){let e=P.level>3?0:jB;P.level<2||Date.now()-this._lastLogTime<e||(this._lastLogTime=Date.now(),this._logOpen=!0,P.group(Xp,`>>> DRAWING MODEL ${this.id}`,{collapsed:P.level<=2})())}_logDrawCallEnd(){if(this._logOpen){let e=this.shaderInputs.getDebugTable();P.table(Xp,e)(),P.groupEnd(Xp)(),this._logOpen=!1}}_drawCount=0;_getBufferOrConstantValues(e,r){let n=we.getTypedArrayConstructor(r);return(e instanceof U?new n(e.debugData):e).toString()}}});var oe=b(()=>{jw();Zw();qp();_v();Cl();jp();xv()});function Ov(t=!0){let e=HTMLCanvasElement.prototype;if(!t&&e.originalGetContext){e.getContext=e.originalGetContext,e.originalGetContext=void 0;return}e.originalGetContext=e.getContext,e.getContext=function(r,n){if(r==="webgl"||r==="experimental-webgl"){let i=this.originalGetContext("webgl2",n);return i instanceof HTMLElement&&E4(i),i}return this.originalGetContext(r,n)}}function E4(t){t.getExtension("EXT_color_buffer_float");let e={...x4,WEBGL_disjoint_timer_query:t.getExtension("EXT_disjoint_timer_query_webgl2"),WEBGL_draw_buffers:b4(t),OES_vertex_array_object:w4(t),ANGLE_instanced_arrays:v4(t)},r=t.getExtension.bind(t);t.getExtension=function(i){let s=r(i);return s||(i in e?e[i]:null)};let n=t.getSupportedExtensions;t.getSupportedExtensions=function(){return(n.apply(t)||[])?.concat(Object.keys(e))}}var x4,b4,w4,v4,Bv=b(()=>{x4={WEBGL_depth_texture:{UNSIGNED_INT_24_8_WEBGL:34042},OES_element_index_uint:{},OES_texture_float:{},OES_texture_half_float:{HALF_FLOAT_OES:5131},EXT_color_buffer_float:{},OES_standard_derivatives:{FRAGMENT_SHADER_DERIVATIVE_HINT_OES:35723},EXT_frag_depth:{},EXT_blend_minmax:{MIN_EXT:32775,MAX_EXT:32776},EXT_shader_texture_lod:{}},b4=t=>({drawBuffersWEBGL(e){return t.drawBuffers(e)},COLOR_ATTACHMENT0_WEBGL:36064,COLOR_ATTACHMENT1_WEBGL:36065,COLOR_ATTACHMENT2_WEBGL:36066,COLOR_ATTACHMENT3_WEBGL:36067}),w4=t=>({VERTEX_ARRAY_BINDING_OES:34229,createVertexArrayOES(){return t.createVertexArray()},deleteVertexArrayOES(e){return t.deleteVertexArray(e)},isVertexArrayOES(e){return t.isVertexArray(e)},bindVertexArrayOES(e){return t.bindVertexArray(e)}}),v4=t=>({VERTEX_ATTRIB_ARRAY_DIVISOR_ANGLE:35070,drawArraysInstancedANGLE(...e){return t.drawArraysInstanced(...e)},drawElementsInstancedANGLE(...e){return t.drawElementsInstanced(...e)},vertexAttribDivisorANGLE(...e){return t.vertexAttribDivisor(...e)}})});async function Nv(){if(!Fl){om();return}await Fl.load()}function Fv(t,e){return Fl?Fl.makeDebugContext(t,e):(om(),t)}async function zv(t){if(!sm){om();return}await sm.load(t)}function Uv(t){return sm?.initialize(t)||null}function om(){Dv||(Dv=!0,P.warn("Import @luma.gl/webgl/debug before enabling WebGL debugging.")())}var Fl,sm,Dv,am=b(()=>{N();Fl=null,sm=null,Dv=!1});function cm(t){return Array.isArray(t)||ArrayBuffer.isView(t)&&!(t instanceof DataView)}function fe(t,e,r){return e[t]!==void 0?e[t]:r[t]}var Qo,pe,$v,nt,Gv,Ko,Vv,Wv,lm,Qt,fm,jv,um=b(()=>{Qo={3042:!1,32773:new Float32Array([0,0,0,0]),32777:32774,34877:32774,32969:1,32968:0,32971:1,32970:0,3106:new Float32Array([0,0,0,0]),3107:[!0,!0,!0,!0],2884:!1,2885:1029,2929:!1,2931:1,2932:513,2928:new Float32Array([0,1]),2930:!0,3024:!0,35725:null,36006:null,36007:null,34229:null,34964:null,2886:2305,33170:4352,2849:1,32823:!1,32824:0,10752:0,32926:!1,32928:!1,32938:1,32939:!1,3089:!1,3088:new Int32Array([0,0,1024,1024]),2960:!1,2961:0,2968:4294967295,36005:4294967295,2962:519,2967:0,2963:4294967295,34816:519,36003:0,36004:4294967295,2964:7680,2965:7680,2966:7680,34817:7680,34818:7680,34819:7680,2978:[0,0,1024,1024],36389:null,36662:null,36663:null,35053:null,35055:null,35723:4352,36010:null,35977:!1,3333:4,3317:4,37440:!1,37441:!1,37443:37444,3330:0,3332:0,3331:0,3314:0,32878:0,3316:0,3315:0,32877:0},pe=(t,e,r)=>e?t.enable(r):t.disable(r),$v=(t,e,r)=>t.hint(r,e),nt=(t,e,r)=>t.pixelStorei(r,e),Gv=(t,e,r)=>{let n=r===36006?36009:36008;return t.bindFramebuffer(n,e)},Ko=(t,e,r)=>{let i={34964:34962,36662:36662,36663:36663,35053:35051,35055:35052}[r];t.bindBuffer(i,e)};Vv={3042:pe,32773:(t,e)=>t.blendColor(...e),32777:"blendEquation",34877:"blendEquation",32969:"blendFunc",32968:"blendFunc",32971:"blendFunc",32970:"blendFunc",3106:(t,e)=>t.clearColor(...e),3107:(t,e)=>t.colorMask(...e),2884:pe,2885:(t,e)=>t.cullFace(e),2929:pe,2931:(t,e)=>t.clearDepth(e),2932:(t,e)=>t.depthFunc(e),2928:(t,e)=>t.depthRange(...e),2930:(t,e)=>t.depthMask(e),3024:pe,35723:$v,35725:(t,e)=>t.useProgram(e),36007:(t,e)=>t.bindRenderbuffer(36161,e),36389:(t,e)=>t.bindTransformFeedback?.(36386,e),34229:(t,e)=>t.bindVertexArray(e),36006:Gv,36010:Gv,34964:Ko,36662:Ko,36663:Ko,35053:Ko,35055:Ko,2886:(t,e)=>t.frontFace(e),33170:$v,2849:(t,e)=>t.lineWidth(e),32823:pe,32824:"polygonOffset",10752:"polygonOffset",35977:pe,32926:pe,32928:pe,32938:"sampleCoverage",32939:"sampleCoverage",3089:pe,3088:(t,e)=>t.scissor(...e),2960:pe,2961:(t,e)=>t.clearStencil(e),2968:(t,e)=>t.stencilMaskSeparate(1028,e),36005:(t,e)=>t.stencilMaskSeparate(1029,e),2962:"stencilFuncFront",2967:"stencilFuncFront",2963:"stencilFuncFront",34816:"stencilFuncBack",36003:"stencilFuncBack",36004:"stencilFuncBack",2964:"stencilOpFront",2965:"stencilOpFront",2966:"stencilOpFront",34817:"stencilOpBack",34818:"stencilOpBack",34819:"stencilOpBack",2978:(t,e)=>t.viewport(...e),34383:pe,10754:pe,12288:pe,12289:pe,12290:pe,12291:pe,12292:pe,12293:pe,12294:pe,12295:pe,3333:nt,3317:nt,37440:nt,37441:nt,37443:nt,3330:nt,3332:nt,3331:nt,3314:nt,32878:nt,3316:nt,3315:nt,32877:nt,framebuffer:(t,e)=>{let r=e&&"handle"in e?e.handle:e;return t.bindFramebuffer(36160,r)},blend:(t,e)=>e?t.enable(3042):t.disable(3042),blendColor:(t,e)=>t.blendColor(...e),blendEquation:(t,e)=>{let r=typeof e=="number"?[e,e]:e;t.blendEquationSeparate(...r)},blendFunc:(t,e)=>{let r=e?.length===2?[...e,...e]:e;t.blendFuncSeparate(...r)},clearColor:(t,e)=>t.clearColor(...e),clearDepth:(t,e)=>t.clearDepth(e),clearStencil:(t,e)=>t.clearStencil(e),colorMask:(t,e)=>t.colorMask(...e),cull:(t,e)=>e?t.enable(2884):t.disable(2884),cullFace:(t,e)=>t.cullFace(e),depthTest:(t,e)=>e?t.enable(2929):t.disable(2929),depthFunc:(t,e)=>t.depthFunc(e),depthMask:(t,e)=>t.depthMask(e),depthRange:(t,e)=>t.depthRange(...e),dither:(t,e)=>e?t.enable(3024):t.disable(3024),derivativeHint:(t,e)=>{t.hint(35723,e)},frontFace:(t,e)=>t.frontFace(e),mipmapHint:(t,e)=>t.hint(33170,e),lineWidth:(t,e)=>t.lineWidth(e),polygonOffsetFill:(t,e)=>e?t.enable(32823):t.disable(32823),polygonOffset:(t,e)=>t.polygonOffset(...e),sampleCoverage:(t,e)=>t.sampleCoverage(e[0],e[1]||!1),scissorTest:(t,e)=>e?t.enable(3089):t.disable(3089),scissor:(t,e)=>t.scissor(...e),stencilTest:(t,e)=>e?t.enable(2960):t.disable(2960),stencilMask:(t,e)=>{e=cm(e)?e:[e,e];let[r,n]=e;t.stencilMaskSeparate(1028,r),t.stencilMaskSeparate(1029,n)},stencilFunc:(t,e)=>{e=cm(e)&&e.length===3?[...e,...e]:e;let[r,n,i,s,o,a]=e;t.stencilFuncSeparate(1028,r,n,i),t.stencilFuncSeparate(1029,s,o,a)},stencilOp:(t,e)=>{e=cm(e)&&e.length===3?[...e,...e]:e;let[r,n,i,s,o,a]=e;t.stencilOpSeparate(1028,r,n,i),t.stencilOpSeparate(1029,s,o,a)},viewport:(t,e)=>t.viewport(...e)};Wv={blendEquation:(t,e,r)=>t.blendEquationSeparate(fe(32777,e,r),fe(34877,e,r)),blendFunc:(t,e,r)=>t.blendFuncSeparate(fe(32969,e,r),fe(32968,e,r),fe(32971,e,r),fe(32970,e,r)),polygonOffset:(t,e,r)=>t.polygonOffset(fe(32824,e,r),fe(10752,e,r)),sampleCoverage:(t,e,r)=>t.sampleCoverage(fe(32938,e,r),fe(32939,e,r)),stencilFuncFront:(t,e,r)=>t.stencilFuncSeparate(1028,fe(2962,e,r),fe(2967,e,r),fe(2963,e,r)),stencilFuncBack:(t,e,r)=>t.stencilFuncSeparate(1029,fe(34816,e,r),fe(36003,e,r),fe(36004,e,r)),stencilOpFront:(t,e,r)=>t.stencilOpSeparate(1028,fe(2964,e,r),fe(2965,e,r),fe(2966,e,r)),stencilOpBack:(t,e,r)=>t.stencilOpSeparate(1029,fe(34817,e,r),fe(34818,e,r),fe(34819,e,r))},lm={enable:(t,e)=>t({[e]:!0}),disable:(t,e)=>t({[e]:!1}),pixelStorei:(t,e,r)=>t({[e]:r}),hint:(t,e,r)=>t({[e]:r}),useProgram:(t,e)=>t({35725:e}),bindRenderbuffer:(t,e,r)=>t({36007:r}),bindTransformFeedback:(t,e,r)=>t({36389:r}),bindVertexArray:(t,e)=>t({34229:e}),bindFramebuffer:(t,e,r)=>{switch(e){case 36160:return t({36006:r,36010:r});case 36009:return t({36006:r});case 36008:return t({36010:r});default:return null}},bindBuffer:(t,e,r)=>{let n={34962:[34964],36662:[36662],36663:[36663],35051:[35053],35052:[35055]}[e];return n?t({[n]:r}):{valueChanged:!0}},blendColor:(t,e,r,n,i)=>t({32773:new Float32Array([e,r,n,i])}),blendEquation:(t,e)=>t({32777:e,34877:e}),blendEquationSeparate:(t,e,r)=>t({32777:e,34877:r}),blendFunc:(t,e,r)=>t({32969:e,32968:r,32971:e,32970:r}),blendFuncSeparate:(t,e,r,n,i)=>t({32969:e,32968:r,32971:n,32970:i}),clearColor:(t,e,r,n,i)=>t({3106:new Float32Array([e,r,n,i])}),clearDepth:(t,e)=>t({2931:e}),clearStencil:(t,e)=>t({2961:e}),colorMask:(t,e,r,n,i)=>t({3107:[e,r,n,i]}),cullFace:(t,e)=>t({2885:e}),depthFunc:(t,e)=>t({2932:e}),depthRange:(t,e,r)=>t({2928:new Float32Array([e,r])}),depthMask:(t,e)=>t({2930:e}),frontFace:(t,e)=>t({2886:e}),lineWidth:(t,e)=>t({2849:e}),polygonOffset:(t,e,r)=>t({32824:e,10752:r}),sampleCoverage:(t,e,r)=>t({32938:e,32939:r}),scissor:(t,e,r,n,i)=>t({3088:new Int32Array([e,r,n,i])}),stencilMask:(t,e)=>t({2968:e,36005:e}),stencilMaskSeparate:(t,e,r)=>t({[e===1028?2968:36005]:r}),stencilFunc:(t,e,r,n)=>t({2962:e,2967:r,2963:n,34816:e,36003:r,36004:n}),stencilFuncSeparate:(t,e,r,n,i)=>t({[e===1028?2962:34816]:r,[e===1028?2967:36003]:n,[e===1028?2963:36004]:i}),stencilOp:(t,e,r,n)=>t({2964:e,2965:r,2966:n,34817:e,34818:r,34819:n}),stencilOpSeparate:(t,e,r,n,i)=>t({[e===1028?2964:34817]:r,[e===1028?2965:34818]:n,[e===1028?2966:34819]:i}),viewport:(t,e,r,n,i)=>t({2978:[e,r,n,i]})},Qt=(t,e)=>t.isEnabled(e),fm={3042:Qt,2884:Qt,2929:Qt,3024:Qt,32823:Qt,32926:Qt,32928:Qt,3089:Qt,2960:Qt,35977:Qt},jv=new Set([34016,36388,36387,35983,35368,34965,35739,35738,3074,34853,34854,34855,34856,34857,34858,34859,34860,34861,34862,34863,34864,34865,34866,34867,34868,35097,32873,35869,32874,34068])});function Tt(t,e){if(S4(e))return;let r={};for(let i in e){let s=Number(i),o=Vv[i];o&&(typeof o=="string"?r[o]=!0:o(t,e[i],s))}let n=t.lumaState?.cache;if(n)for(let i in r){let s=Wv[i];s(t,e,n)}}function zl(t,e=Qo){if(typeof e=="number"){let i=e,s=fm[i];return s?s(t,i):t.getParameter(i)}let r=Array.isArray(e)?e:Object.keys(e),n={};for(let i of r){let s=fm[i];n[i]=s?s(t,Number(i)):t.getParameter(Number(i))}return n}function Hv(t){Tt(t,Qo)}function S4(t){for(let e in t)return!1;return!0}var Xi=b(()=>{um()});function qv(t,e){if(t===e)return!0;if(Yv(t)&&Yv(e)&&t.length===e.length){for(let r=0;r<t.length;++r)if(t[r]!==e[r])return!1;return!0}return!1}function Yv(t){return Array.isArray(t)||ArrayBuffer.isView(t)}var Xv=b(()=>{});function Zv(t,e){let r=t[e].bind(t);t[e]=function(i){if(i===void 0||jv.has(i))return r(i);let s=At.get(t);return i in s.cache||(s.cache[i]=r(i)),s.enable?s.cache[i]:r(i)},Object.defineProperty(t[e],"name",{value:`${e}-from-cache`,configurable:!1})}function P4(t,e,r){if(!t[e])return;let n=t[e].bind(t);t[e]=function(...s){let o=At.get(t),{valueChanged:a,oldValue:c}=r(o._updateCache,...s);return a&&n(...s),c},Object.defineProperty(t[e],"name",{value:`${e}-to-cache`,configurable:!1})}function T4(t){let e=t.useProgram.bind(t);t.useProgram=function(n){let i=At.get(t);i.program!==n&&(e(n),i.program=n)}}var At,dm=b(()=>{Xi();Xv();um();At=class{static get(e){return e.lumaState}gl;program=null;stateStack=[];enable=!0;cache=null;log;initialized=!1;constructor(e,r){this.gl=e,this.log=r?.log||(()=>{}),this._updateCache=this._updateCache.bind(this),Object.seal(this)}push(e={}){this.stateStack.push({})}pop(){let e=this.stateStack[this.stateStack.length-1];Tt(this.gl,e),this.stateStack.pop()}trackState(e,r){if(this.cache=r?.copyState?zl(e):Object.assign({},Qo),this.initialized)throw new Error("WebGLStateTracker");this.initialized=!0,this.gl.lumaState=this,T4(e);for(let n in lm){let i=lm[n];P4(e,n,i)}Zv(e,"getParameter"),Zv(e,"isEnabled")}_updateCache(e){let r=!1,n,i=this.stateStack.length>0?this.stateStack[this.stateStack.length-1]:null;for(let s in e){let o=e[s],a=this.cache[s];qv(o,a)||(r=!0,n=a,i&&!(s in i)&&(i[s]=a),this.cache[s]=o)}return{valueChanged:r,oldValue:n}}}});function Jo(t){let e=t.luma||{_polyfilled:!1,extensions:{},softwareRenderer:!1};return e._polyfilled??=!1,e.extensions||={},t.luma=e,e}var hm=b(()=>{});function Kv(t,e,r){let n="",i=c=>{let l=c.statusMessage;l&&(n||=l)};t.addEventListener("webglcontextcreationerror",i,!1);let s=r.failIfMajorPerformanceCaveat!==!0,o={preserveDrawingBuffer:!0,...r,failIfMajorPerformanceCaveat:!0},a=null;try{a||=t.getContext("webgl2",o),!a&&o.failIfMajorPerformanceCaveat&&(n||="Only software GPU is available. Set `failIfMajorPerformanceCaveat: false` to allow.");let c=!1;if(!a&&s&&(o.failIfMajorPerformanceCaveat=!1,a=t.getContext("webgl2",o),c=!0),a||(a=t.getContext("webgl",{}),a&&(a=null,n||="Your browser only supports WebGL1")),!a)throw n||="Your browser does not support WebGL",new Error(`Failed to create WebGL context: ${n}`);let l=Jo(a);l.softwareRenderer=c;let{onContextLost:f,onContextRestored:u}=e;return t.addEventListener("webglcontextlost",d=>f(d),!1),t.addEventListener("webglcontextrestored",d=>u(d),!1),a}finally{t.removeEventListener("webglcontextcreationerror",i,!1)}}var Qv=b(()=>{hm()});function Lt(t,e,r){return r[e]===void 0&&(r[e]=t.getExtension(e)||null),r[e]}var ea=b(()=>{});function Jv(t,e){let r=t.getParameter(7936),n=t.getParameter(7937);Lt(t,"WEBGL_debug_renderer_info",e);let i=e.WEBGL_debug_renderer_info,s=t.getParameter(i?i.UNMASKED_VENDOR_WEBGL:7936),o=t.getParameter(i?i.UNMASKED_RENDERER_WEBGL:7937),a=s||r,c=o||n,l=t.getParameter(7938),f=e2(a,c),u=A4(a,c),d=L4(a,c);return{type:"webgl",gpu:f,gpuType:d,gpuBackend:u,vendor:a,renderer:c,version:l,shadingLanguage:"glsl",shadingLanguageVersion:300}}function e2(t,e){return/NVIDIA/i.exec(t)||/NVIDIA/i.exec(e)?"nvidia":/INTEL/i.exec(t)||/INTEL/i.exec(e)?"intel":/Apple/i.exec(t)||/Apple/i.exec(e)?"apple":/AMD/i.exec(t)||/AMD/i.exec(e)||/ATI/i.exec(t)||/ATI/i.exec(e)?"amd":/SwiftShader/i.exec(t)||/SwiftShader/i.exec(e)?"software":"unknown"}function A4(t,e){return/Metal/i.exec(t)||/Metal/i.exec(e)?"metal":/ANGLE/i.exec(t)||/ANGLE/i.exec(e)?"opengl":"unknown"}function L4(t,e){if(/SwiftShader/i.exec(t)||/SwiftShader/i.exec(e))return"cpu";switch(e2(t,e)){case"apple":return C4(t,e)?"integrated":"unknown";case"intel":return"integrated";case"software":return"cpu";case"unknown":return"unknown";default:return"discrete"}}function C4(t,e){return/Apple (M\d|A\d|GPU)/i.test(`${t} ${e}`)}var t2=b(()=>{ea()});function Ul(t){switch(t){case"uint8":return 5121;case"sint8":return 5120;case"unorm8":return 5121;case"snorm8":return 5120;case"uint16":return 5123;case"sint16":return 5122;case"unorm16":return 5123;case"snorm16":return 5122;case"uint32":return 5125;case"sint32":return 5124;case"float16":return 5131;case"float32":return 5126}throw new Error(String(t))}var pm=b(()=>{});function i2(t){return t in Gl}function xm(t,e,r){return s2(t,e,r,new Set)}function s2(t,e,r,n){let i=Gl[e];if(!i||n.has(e))return!1;n.add(e);let s=(i.features||[]).every(o=>s2(t,o,r,n));return n.delete(e),s?(i.extensions||[]).every(o=>!!Lt(t,o,r)):!1}function o2(t,e,r){let n=e.create,i=Vl[e.format];i?.gl===void 0&&(n=!1),i?.x&&(n=n&&!!Lt(t,i.x,r)),e.format==="stencil8"&&(n=!1);let s=i?.r===!1?!1:i?.r===void 0||xm(t,i.r,r),o=n&&e.render&&s&&N4(t,e.format,r);return{format:e.format,create:n&&e.create,render:o,filter:n&&e.filter,blend:n&&e.blend,store:n&&e.store}}function N4(t,e,r){let n=Vl[e],i=n?.gl;if(i===void 0||n?.x&&!Lt(t,n.x,r))return!1;let s=t.getParameter(32873),o=t.getParameter(36006),a=t.createTexture(),c=t.createFramebuffer();if(!a||!c)return!1;let l=0,f=Number(t.getError());for(;f!==l;)f=t.getError();let u=!1;try{if(t.bindTexture(3553,a),t.texStorage2D(3553,1,i,1,1),Number(t.getError())!==l)return!1;t.bindFramebuffer(36160,c),t.framebufferTexture2D(36160,36064,3553,a,0),u=Number(t.checkFramebufferStatus(36160))===36053&&Number(t.getError())===l}finally{t.bindFramebuffer(36160,o),t.deleteFramebuffer(c),t.bindTexture(3553,s),t.deleteTexture(a)}return u}function Wl(t){let e=Vl[t],r=z4(t),n=Fe.getInfo(t);return n.compressed&&(e.dataFormat=r),{internalFormat:r,format:e?.dataFormat||F4(n.channels,n.integer,n.normalized,r),type:n.dataType?Ul(n.dataType):e?.types?.[0]||5121,compressed:n.compressed||!1}}function a2(t){switch(Fe.getInfo(t).attachment){case"depth":return 36096;case"stencil":return 36128;case"depth-stencil":return 33306;default:throw new Error(`Not a depth stencil format: ${t}`)}}function F4(t,e,r,n){if(n===6408||n===6407)return n;switch(t){case"r":return e&&!r?36244:6403;case"rg":return e&&!r?33320:33319;case"rgb":return e&&!r?36248:6407;case"rgba":return e&&!r?36249:6408;case"bgra":throw new Error("bgra pixels not supported by WebGL");default:return 6408}}function z4(t){let r=Vl[t]?.gl;if(r===void 0)throw new Error(`Unsupported texture format ${t}`);return r}var ta,ra,Zi,Ki,M4,I4,R4,k4,O4,B4,r2,n2,mm,gm,ym,_m,$l,D4,Gl,Vl,Qi=b(()=>{N();ea();pm();ta="WEBGL_compressed_texture_s3tc",ra="WEBGL_compressed_texture_s3tc_srgb",Zi="EXT_texture_compression_rgtc",Ki="EXT_texture_compression_bptc",M4="WEBGL_compressed_texture_etc",I4="WEBGL_compressed_texture_astc",R4="WEBGL_compressed_texture_etc1",k4="WEBGL_compressed_texture_pvrtc",O4="WEBGL_compressed_texture_atc",B4="EXT_texture_norm16",r2="EXT_render_snorm",n2="EXT_color_buffer_float",mm="snorm8-renderable-webgl",gm="norm16-renderable-webgl",ym="snorm16-renderable-webgl",_m="float16-renderable-webgl",$l="float32-renderable-webgl",D4="rgb9e5ufloat-renderable-webgl",Gl={"float32-renderable-webgl":{extensions:[n2]},"float16-renderable-webgl":{extensions:["EXT_color_buffer_half_float"]},"rgb9e5ufloat-renderable-webgl":{extensions:["WEBGL_render_shared_exponent"]},"snorm8-renderable-webgl":{extensions:[r2]},"norm16-webgl":{extensions:[B4]},"norm16-renderable-webgl":{features:["norm16-webgl"]},"snorm16-renderable-webgl":{features:["norm16-webgl"],extensions:[r2]},"float32-filterable":{extensions:["OES_texture_float_linear"]},"float16-filterable-webgl":{extensions:["OES_texture_half_float_linear"]},"texture-filterable-anisotropic-webgl":{extensions:["EXT_texture_filter_anisotropic"]},"texture-blend-float-webgl":{extensions:["EXT_float_blend"]},"texture-compression-bc":{extensions:[ta,ra,Zi,Ki]},"texture-compression-bc5-webgl":{extensions:[Zi]},"texture-compression-bc7-webgl":{extensions:[Ki]},"texture-compression-etc2":{extensions:[M4]},"texture-compression-astc":{extensions:[I4]},"texture-compression-etc1-webgl":{extensions:[R4]},"texture-compression-pvrtc-webgl":{extensions:[k4]},"texture-compression-atc-webgl":{extensions:[O4]}};Vl={r8unorm:{gl:33321,rb:!0},r8snorm:{gl:36756,r:mm},r8uint:{gl:33330,rb:!0},r8sint:{gl:33329,rb:!0},rg8unorm:{gl:33323,rb:!0},rg8snorm:{gl:36757,r:mm},rg8uint:{gl:33336,rb:!0},rg8sint:{gl:33335,rb:!0},r16uint:{gl:33332,rb:!0},r16sint:{gl:33331,rb:!0},r16float:{gl:33325,rb:!0,r:_m},r16unorm:{gl:33322,rb:!0,r:gm},r16snorm:{gl:36760,r:ym},"rgba4unorm-webgl":{gl:32854,rb:!0},"rgb565unorm-webgl":{gl:36194,rb:!0},"rgb5a1unorm-webgl":{gl:32855,rb:!0},"rgb8unorm-webgl":{gl:32849},"rgb8snorm-webgl":{gl:36758},rgba8unorm:{gl:32856},"rgba8unorm-srgb":{gl:35907},rgba8snorm:{gl:36759,r:mm},rgba8uint:{gl:36220},rgba8sint:{gl:36238},bgra8unorm:{},"bgra8unorm-srgb":{},rg16uint:{gl:33338},rg16sint:{gl:33337},rg16float:{gl:33327,rb:!0,r:_m},rg16unorm:{gl:33324,r:gm},rg16snorm:{gl:36761,r:ym},r32uint:{gl:33334,rb:!0},r32sint:{gl:33333,rb:!0},r32float:{gl:33326,r:$l},rgb9e5ufloat:{gl:35901,r:D4},rg11b10ufloat:{gl:35898,rb:!0},rgb10a2unorm:{gl:32857,rb:!0},rgb10a2uint:{gl:36975,rb:!0},"rgb16unorm-webgl":{gl:32852,r:!1},"rgb16snorm-webgl":{gl:36762,r:!1},rg32uint:{gl:33340,rb:!0},rg32sint:{gl:33339,rb:!0},rg32float:{gl:33328,rb:!0,r:$l},rgba16uint:{gl:36214,rb:!0},rgba16sint:{gl:36232,rb:!0},rgba16float:{gl:34842,r:_m},rgba16unorm:{gl:32859,rb:!0,r:gm},rgba16snorm:{gl:36763,r:ym},"rgb32float-webgl":{gl:34837,x:n2,r:$l,dataFormat:6407,types:[5126]},rgba32uint:{gl:36208,rb:!0},rgba32sint:{gl:36226,rb:!0},rgba32float:{gl:34836,rb:!0,r:$l},stencil8:{gl:36168,rb:!0},depth16unorm:{gl:33189,dataFormat:6402,types:[5123],rb:!0},depth24plus:{gl:33190,dataFormat:6402,types:[5125]},depth32float:{gl:36012,dataFormat:6402,types:[5126],rb:!0},"depth24plus-stencil8":{gl:35056,rb:!0,depthTexture:!0,dataFormat:34041,types:[34042]},"depth32float-stencil8":{gl:36013,dataFormat:34041,types:[36269],rb:!0},"bc1-rgb-unorm-webgl":{gl:33776,x:ta},"bc1-rgb-unorm-srgb-webgl":{gl:35916,x:ra},"bc1-rgba-unorm":{gl:33777,x:ta},"bc1-rgba-unorm-srgb":{gl:35916,x:ra},"bc2-rgba-unorm":{gl:33778,x:ta},"bc2-rgba-unorm-srgb":{gl:35918,x:ra},"bc3-rgba-unorm":{gl:33779,x:ta},"bc3-rgba-unorm-srgb":{gl:35919,x:ra},"bc4-r-unorm":{gl:36283,x:Zi},"bc4-r-snorm":{gl:36284,x:Zi},"bc5-rg-unorm":{gl:36285,x:Zi},"bc5-rg-snorm":{gl:36286,x:Zi},"bc6h-rgb-ufloat":{gl:36495,x:Ki},"bc6h-rgb-float":{gl:36494,x:Ki},"bc7-rgba-unorm":{gl:36492,x:Ki},"bc7-rgba-unorm-srgb":{gl:36493,x:Ki},"etc2-rgb8unorm":{gl:37492},"etc2-rgb8unorm-srgb":{gl:37494},"etc2-rgb8a1unorm":{gl:37496},"etc2-rgb8a1unorm-srgb":{gl:37497},"etc2-rgba8unorm":{gl:37493},"etc2-rgba8unorm-srgb":{gl:37495},"eac-r11unorm":{gl:37488},"eac-r11snorm":{gl:37489},"eac-rg11unorm":{gl:37490},"eac-rg11snorm":{gl:37491},"astc-4x4-unorm":{gl:37808},"astc-4x4-unorm-srgb":{gl:37840},"astc-5x4-unorm":{gl:37809},"astc-5x4-unorm-srgb":{gl:37841},"astc-5x5-unorm":{gl:37810},"astc-5x5-unorm-srgb":{gl:37842},"astc-6x5-unorm":{gl:37811},"astc-6x5-unorm-srgb":{gl:37843},"astc-6x6-unorm":{gl:37812},"astc-6x6-unorm-srgb":{gl:37844},"astc-8x5-unorm":{gl:37813},"astc-8x5-unorm-srgb":{gl:37845},"astc-8x6-unorm":{gl:37814},"astc-8x6-unorm-srgb":{gl:37846},"astc-8x8-unorm":{gl:37815},"astc-8x8-unorm-srgb":{gl:37847},"astc-10x5-unorm":{gl:37816},"astc-10x5-unorm-srgb":{gl:37848},"astc-10x6-unorm":{gl:37817},"astc-10x6-unorm-srgb":{gl:37849},"astc-10x8-unorm":{gl:37818},"astc-10x8-unorm-srgb":{gl:37850},"astc-10x10-unorm":{gl:37819},"astc-10x10-unorm-srgb":{gl:37851},"astc-12x10-unorm":{gl:37820},"astc-12x10-unorm-srgb":{gl:37852},"astc-12x12-unorm":{gl:37821},"astc-12x12-unorm-srgb":{gl:37853},"pvrtc-rgb4unorm-webgl":{gl:35840},"pvrtc-rgba4unorm-webgl":{gl:35842},"pvrtc-rgb2unorm-webgl":{gl:35841},"pvrtc-rgba2unorm-webgl":{gl:35843},"etc1-rbg-unorm-webgl":{gl:36196},"atc-rgb-unorm-webgl":{gl:35986},"atc-rgba-unorm-webgl":{gl:35986},"atc-rgbai-unorm-webgl":{gl:34798}}});var c2,jl,l2=b(()=>{N();ea();Qi();c2={"depth-clip-control":"EXT_depth_clamp","timestamp-query":"EXT_disjoint_timer_query_webgl2","compilation-status-async-webgl":"KHR_parallel_shader_compile","html-in-canvas":t=>Xd()&&typeof t.texElementImage2D=="function","polygon-mode-webgl":"WEBGL_polygon_mode","provoking-vertex-webgl":"WEBGL_provoking_vertex","shader-clip-cull-distance-webgl":"WEBGL_clip_cull_distance","shader-noperspective-interpolation-webgl":"NV_shader_noperspective_interpolation","shader-conservative-depth-webgl":"EXT_conservative_depth"},jl=class extends Vs{gl;extensions;testedFeatures=new Set;constructor(e,r,n){super([],n),this.gl=e,this.extensions=r,Lt(e,"EXT_color_buffer_float",r)}*[Symbol.iterator](){let e=this.getFeatures();for(let r of e)this.has(r)&&(yield r);return[]}has(e){return this.disabledFeatures?.[e]?!1:(this.testedFeatures.has(e)||(this.testedFeatures.add(e),i2(e)&&xm(this.gl,e,this.extensions)&&this.features.add(e),this.getWebGLFeature(e)&&this.features.add(e)),this.features.has(e))}initializeFeatures(){let e=this.getFeatures().filter(r=>r!=="polygon-mode-webgl");for(let r of e)this.has(r)}getFeatures(){return[...Object.keys(c2),...Object.keys(Gl)]}getWebGLFeature(e){let r=c2[e];return typeof r=="string"?!!Lt(this.gl,r,this.extensions):typeof r=="function"?r(this.gl):!!r}}});var Hl,f2=b(()=>{N();Hl=class extends Gs{get maxTextureDimension1D(){return 0}get maxTextureDimension2D(){return this.getParameter(3379)}get maxTextureDimension3D(){return this.getParameter(32883)}get maxTextureArrayLayers(){return this.getParameter(35071)}get maxBindGroups(){return 0}get maxBindGroupsPlusVertexBuffers(){return 0}get maxBindingsPerBindGroup(){return 0}get maxDynamicUniformBuffersPerPipelineLayout(){return 0}get maxDynamicStorageBuffersPerPipelineLayout(){return 0}get maxSampledTexturesPerShaderStage(){return this.getParameter(35660)}get maxSamplersPerShaderStage(){return this.getParameter(35661)}get maxStorageBuffersPerShaderStage(){return 0}get maxStorageBuffersInVertexStage(){return 0}get maxStorageBuffersInFragmentStage(){return 0}get maxStorageTexturesPerShaderStage(){return 0}get maxStorageTexturesInVertexStage(){return 0}get maxStorageTexturesInFragmentStage(){return 0}get maxUniformBuffersPerShaderStage(){return this.getParameter(35375)}get maxUniformBufferBindingSize(){return this.getParameter(35376)}get maxStorageBufferBindingSize(){return 0}get maxBufferSize(){return Number.MAX_SAFE_INTEGER}get minUniformBufferOffsetAlignment(){return this.getParameter(35380)}get minStorageBufferOffsetAlignment(){return 0}get maxVertexBuffers(){return 16}get maxVertexAttributes(){return this.getParameter(34921)}get maxVertexBufferArrayStride(){return 2048}get maxInterStageShaderVariables(){return this.getParameter(35659)}get maxColorAttachments(){return this.getParameter(36063)}get maxColorAttachmentBytesPerSample(){return 0}get maxComputeWorkgroupStorageSize(){return 0}get maxComputeInvocationsPerWorkgroup(){return 0}get maxComputeWorkgroupSizeX(){return 0}get maxComputeWorkgroupSizeY(){return 0}get maxComputeWorkgroupSizeZ(){return 0}get maxComputeWorkgroupsPerDimension(){return 0}gl;limits={};constructor(e){super(),this.gl=e}getParameter(e){return this.limits[e]===void 0&&(this.limits[e]=this.gl.getParameter(e)),this.limits[e]||0}}});function U4(t){return t<34069?t+34069:t}function $4(t){switch(t){case 36053:return"success";case 36054:return"Mismatched attachments";case 36055:return"No attachments";case 36057:return"Height/width mismatch";case 36061:return"Unsupported or split attachments";case 36182:return"Samples mismatch";default:return`${t}`}}var Jt,Yl=b(()=>{N();Qi();Jt=class extends hn{device;gl;handle;colorAttachments=[];depthStencilAttachment=null;constructor(e,r){super(e,r);let n=r.handle,i=n===null;this.device=e,this.gl=e.gl,this.handle=n||i?n:this.gl.createFramebuffer(),i||(e._setWebGLDebugMetadata(this.handle,this,{spector:this.props}),r.handle||(this.autoCreateAttachmentTextures(),this.updateAttachments()))}destroy(){super.destroy(),!this.destroyed&&this.handle!==null&&!this.props.handle&&this.gl.deleteFramebuffer(this.handle)}updateAttachments(){let e=this.gl.bindFramebuffer(36160,this.handle);for(let r=0;r<this.colorAttachments.length;++r){let n=this.colorAttachments[r];if(n){let i=36064+r;this._attachTextureView(i,n)}}if(this.depthStencilAttachment){let r=a2(this.depthStencilAttachment.props.format);this._attachTextureView(r,this.depthStencilAttachment)}if(this.device.props.debug){let r=this.gl.checkFramebufferStatus(36160);if(r!==36053)throw new Error(`Framebuffer ${$4(r)}`)}this.gl.bindFramebuffer(36160,e)}_attachTextureView(e,r){let{gl:n}=this.device,{texture:i}=r,s=r.props.baseMipLevel,o=r.props.baseArrayLayer;switch(n.bindTexture(i.glTarget,i.handle),i.glTarget){case 35866:case 32879:n.framebufferTextureLayer(36160,e,i.handle,s,o);break;case 34067:let a=U4(o);n.framebufferTexture2D(36160,e,a,i.handle,s);break;case 3553:n.framebufferTexture2D(36160,e,3553,i.handle,s);break;default:throw new Error("Illegal texture type")}n.bindTexture(i.glTarget,null)}resizeAttachments(e,r){if(this.handle===null){this.width=e,this.height=r;return}super.resizeAttachments(e,r)}}});var ql,u2=b(()=>{N();Yl();ql=class extends Ws{device;handle=null;_framebuffer=null;get[Symbol.toStringTag](){return"WebGLCanvasContext"}constructor(e,r){super(r),this.device=e,this._setAutoCreatedCanvasId(`${this.device.id}-canvas`),this._configureDevice()}_configureDevice(){(this.drawingBufferWidth!==this._framebuffer?.width||this.drawingBufferHeight!==this._framebuffer?.height)&&this._framebuffer?.resize([this.drawingBufferWidth,this.drawingBufferHeight])}_getCurrentFramebuffer(){return this._framebuffer||=new Jt(this.device,{id:"canvas-context-framebuffer",handle:null,width:this.drawingBufferWidth,height:this.drawingBufferHeight}),this._framebuffer}}});var Xl,d2=b(()=>{N();Xl=class extends js{device;handle=null;context2d;get[Symbol.toStringTag](){return"WebGLPresentationContext"}constructor(e,r={}){super(r),this.device=e;let n=`${this[Symbol.toStringTag]}(${this.id})`;if(!this.device.getDefaultCanvasContext().offscreenCanvas)throw new Error(`${n}: WebGL PresentationContext requires the default CanvasContext canvas to be an OffscreenCanvas`);let s=this.canvas.getContext("2d");if(!s)throw new Error(`${n}: Failed to create 2d presentation context`);this.context2d=s,this._setAutoCreatedCanvasId(`${this.device.id}-presentation-canvas`),this._configureDevice(),this._startObservers()}present(){this._resizeDrawingBufferIfNeeded(),this.device.submit();let e=this.device.getDefaultCanvasContext(),[r,n]=e.getDrawingBufferSize();if(!(this.drawingBufferWidth===0||this.drawingBufferHeight===0||r===0||n===0||e.canvas.width===0||e.canvas.height===0)){if(r!==this.drawingBufferWidth||n!==this.drawingBufferHeight||e.canvas.width!==this.drawingBufferWidth||e.canvas.height!==this.drawingBufferHeight)throw new Error(`${this[Symbol.toStringTag]}(${this.id}): Default canvas context size ${r}x${n} does not match presentation size ${this.drawingBufferWidth}x${this.drawingBufferHeight}`);this.context2d.clearRect(0,0,this.drawingBufferWidth,this.drawingBufferHeight),this.context2d.drawImage(e.canvas,0,0)}}_configureDevice(){}_getCurrentFramebuffer(e){let r=this.device.getDefaultCanvasContext();return r.setDrawingBufferSize(this.drawingBufferWidth,this.drawingBufferHeight),r.getCurrentFramebuffer(e)}}});function h2(t="id"){bm[t]=bm[t]||1;let e=bm[t]++;return`${t}-${e}`}var bm,p2=b(()=>{bm={}});function G4(t){return t&U.INDEX?34963:t&U.VERTEX?34962:t&U.UNIFORM?35345:34962}function V4(t){return t&U.INDEX||t&U.VERTEX?35044:t&U.UNIFORM?35048:35044}var Ct,Zl=b(()=>{N();Ct=class extends U{device;gl;handle;glTarget;glUsage;glIndexType=5123;byteLength=0;bytesUsed=0;constructor(e,r={}){super(e,r),this.device=e,this.gl=this.device.gl;let n=typeof r=="object"?r.handle:void 0;this.handle=n||this.gl.createBuffer(),e._setWebGLDebugMetadata(this.handle,this,{spector:{...this.props,data:typeof this.props.data}}),this.glTarget=G4(this.props.usage),this.glUsage=V4(this.props.usage),this.glIndexType=this.props.indexType==="uint32"?5125:5123,r.data?this._initWithData(r.data,r.byteOffset,r.byteLength):this._initWithByteLength(r.byteLength||0)}destroy(){!this.destroyed&&this.handle&&(this.removeStats(),this.props.handle?this.trackDeallocatedReferencedMemory("Buffer"):(this.trackDeallocatedMemory(),this.gl.deleteBuffer(this.handle)),this.destroyed=!0,this.handle=null)}_initWithData(e,r=0,n=e.byteLength+r){let i=this.glTarget;this.gl.bindBuffer(i,this.handle),this.gl.bufferData(i,n,this.glUsage),this.gl.bufferSubData(i,r,e),this.gl.bindBuffer(i,null),this.bytesUsed=n,this.byteLength=n,this._setDebugData(e,r,n),this.props.handle?this.trackReferencedMemory(n,"Buffer"):this.trackAllocatedMemory(n)}_initWithByteLength(e){let r=e;e===0&&(r=new Float32Array(0));let n=this.glTarget;return this.gl.bindBuffer(n,this.handle),this.gl.bufferData(n,r,this.glUsage),this.gl.bindBuffer(n,null),this.bytesUsed=e,this.byteLength=e,this._setDebugData(null,0,e),this.props.handle?this.trackReferencedMemory(e,"Buffer"):this.trackAllocatedMemory(e),this}write(e,r=0){let n=ArrayBuffer.isView(e)?e:new Uint8Array(e),i=0,s=void 0,o=36663;this.gl.bindBuffer(o,this.handle),i!==0||s!==void 0?this.gl.bufferSubData(o,r,n,i,s):this.gl.bufferSubData(o,r,n),this.gl.bindBuffer(o,null),this._setDebugData(e,r,e.byteLength)}async mapAndWriteAsync(e,r=0,n=this.byteLength-r){let i=new ArrayBuffer(n);await e(i,"copied"),this.write(i,r)}async readAsync(e=0,r){return this.readSyncWebGL(e,r)}async mapAndReadAsync(e,r=0,n){let i=await this.readAsync(r,n);return await e(i.buffer,"copied")}readSyncWebGL(e=0,r){r=r??this.byteLength-e;let n=new Uint8Array(r),i=0;return this.gl.bindBuffer(36662,this.handle),this.gl.getBufferSubData(36662,e,n,i,r),this.gl.bindBuffer(36662,null),this._setDebugData(n,e,r),n}}});function m2(t){let e=t.split(/\r?\n/),r=[];for(let n of e){if(n.length<=1)continue;let i=n.trim(),s=n.split(":"),o=s[0]?.trim();if(s.length===2){let[h,p]=s;if(!h||!p){r.push({message:i,type:Kl(o||"info"),lineNum:0,linePos:0});continue}r.push({message:p.trim(),type:Kl(h),lineNum:0,linePos:0});continue}let[a,c,l,...f]=s;if(!a||!c||!l){r.push({message:s.slice(1).join(":").trim()||i,type:Kl(o||"info"),lineNum:0,linePos:0});continue}let u=parseInt(l,10);Number.isNaN(u)&&(u=0);let d=parseInt(c,10);Number.isNaN(d)&&(d=0),r.push({message:f.join(":").trim(),type:Kl(a),lineNum:u,linePos:d})}return r}function Kl(t){let e=["warning","error","info"],r=t.toLowerCase();return e.includes(r)?r:"info"}var g2=b(()=>{});function W4(t){return t.split(/\r?\n/).find(e=>e.trim())?.trim()}var Ql,y2=b(()=>{N();g2();Ql=class extends dn{device;handle;_compilationInfoLog="";constructor(e,r){super(e,r),this.device=e;let n=this.props.handle;switch(this.props.stage){case"vertex":this.handle=n||this.device.gl.createShader(35633);break;case"fragment":this.handle=n||this.device.gl.createShader(35632);break;default:throw new Error(this.props.stage)}e._setWebGLDebugMetadata(this.handle,this,{spector:this.props});let i=this._compile(this.source);i&&typeof i.catch=="function"&&i.catch(()=>{this.compilationStatus="error"})}destroy(){this.handle&&(this.removeStats(),this.device.gl.deleteShader(this.handle),this.destroyed=!0,this.handle.destroyed=!0)}get asyncCompilationStatus(){return this._waitForCompilationComplete().then(()=>(this._getCompilationStatus(),this.compilationStatus))}async getCompilationInfo(){return await this._waitForCompilationComplete(),this.getCompilationInfoSync()}getCompilationInfoSync(){let e=this._getCompilationInfoLog();return e?m2(e):[]}getTranslatedSource(){return this.device.getExtension("WEBGL_debug_shaders").WEBGL_debug_shaders?.getTranslatedShaderSource(this.handle)||null}_compile(e){e=e.startsWith("#version ")?e:`#version 300 es
${e}`;let{gl:r}=this.device;if(r.shaderSource(this.handle,e),r.compileShader(this.handle),!this.device.props.debug){this.compilationStatus="pending";return}if(!this.device.features.has("compilation-status-async-webgl")){if(this._getCompilationStatus(),this.debugShader(),this.compilationStatus==="error")throw new Error(this._getCompilationErrorMessage(e));return}return P.once(1,"Shader compilation is asynchronous")(),this._waitForCompilationComplete().then(()=>{P.info(2,`Shader ${this.id} - async compilation complete: ${this.compilationStatus}`)(),this._getCompilationStatus(),this.debugShader()})}async _waitForCompilationComplete(){let e=async i=>await new Promise(s=>setTimeout(s,i));if(!this.device.features.has("compilation-status-async-webgl")){await e(10);return}let{gl:n}=this.device;for(;;){if(n.getShaderParameter(this.handle,37297))return;await e(10)}}_getCompilationStatus(){this.compilationStatus=this.device.gl.getShaderParameter(this.handle,35713)?"success":"error",this.compilationStatus==="error"&&this._getCompilationInfoLog()}_getCompilationErrorMessage(e){let r=`${this.props.stage} shader ${this.props.id}`,n=W4(this._getCompilationInfoLog()),i=this.getCompilationInfoSync(),s=i.find(f=>f.type==="error"&&f.message.trim())||i.find(f=>f.message.trim())||i.find(f=>f.type==="error")||i[0];if(!s)return n?`GLSL compilation errors in ${r}: ${n}`:`GLSL compilation errors in ${r}: WebGL did not provide a shader compiler log`;let o=s.lineNum?e.split(/\r?\n/)[s.lineNum-1]?.trim():void 0,a=s.lineNum?` line ${s.lineNum}`:"",c=o?`
Source: ${o}`:"",l=s.message.trim()||n||"WebGL did not provide a shader compiler log";return`GLSL compilation errors in ${r}:${a}: ${l}${c}`}_getCompilationInfoLog(){let e=this.device.gl.getShaderInfoLog(this.handle)?.trim();return e&&(this._compilationInfoLog=e),this._compilationInfoLog}}});function x2(t,e,r,n){if(q4(e))return n(t);let i=t;i.pushState();try{return j4(t,e),Tt(i.gl,r),n(t)}finally{i.popState()}}function j4(t,e){let r=t,{gl:n}=r;if(e.cullMode)switch(e.cullMode){case"none":n.disable(2884);break;case"front":n.enable(2884),n.cullFace(1028);break;case"back":n.enable(2884),n.cullFace(1029);break}if(e.frontFace&&n.frontFace($n("frontFace",e.frontFace,{ccw:2305,cw:2304})),e.unclippedDepth&&t.features.has("depth-clip-control")&&n.enable(34383),e.depthBias!==void 0&&(n.enable(32823),n.polygonOffset(e.depthBias,e.depthBiasSlopeScale||0)),e.provokingVertex&&t.features.has("provoking-vertex-webgl")){let s=r.getExtension("WEBGL_provoking_vertex").WEBGL_provoking_vertex,o=$n("provokingVertex",e.provokingVertex,{first:36429,last:36430});s?.provokingVertexWEBGL(o)}if((e.polygonMode||e.polygonOffsetLine)&&t.features.has("polygon-mode-webgl")){if(e.polygonMode){let s=r.getExtension("WEBGL_polygon_mode").WEBGL_polygon_mode,o=$n("polygonMode",e.polygonMode,{fill:6914,line:6913});s?.polygonModeWEBGL(1028,o),s?.polygonModeWEBGL(1029,o)}e.polygonOffsetLine&&n.enable(10754)}if(t.features.has("shader-clip-cull-distance-webgl")&&(e.clipDistance0&&n.enable(12288),e.clipDistance1&&n.enable(12289),e.clipDistance2&&n.enable(12290),e.clipDistance3&&n.enable(12291),e.clipDistance4&&n.enable(12292),e.clipDistance5&&n.enable(12293),e.clipDistance6&&n.enable(12294),e.clipDistance7&&n.enable(12295)),e.depthWriteEnabled!==void 0&&n.depthMask(Y4("depthWriteEnabled",e.depthWriteEnabled)),e.depthCompare&&(e.depthCompare!=="always"?n.enable(2929):n.disable(2929),n.depthFunc(ef("depthCompare",e.depthCompare))),e.clearDepth!==void 0&&n.clearDepth(e.clearDepth),e.stencilWriteMask){let i=e.stencilWriteMask;n.stencilMaskSeparate(1028,i),n.stencilMaskSeparate(1029,i)}if(e.stencilReadMask&&P.warn("stencilReadMask not supported under WebGL"),e.stencilCompare){let i=e.stencilReadMask||4294967295,s=ef("depthCompare",e.stencilCompare);e.stencilCompare!=="always"?n.enable(2960):n.disable(2960),n.stencilFuncSeparate(1028,s,0,i),n.stencilFuncSeparate(1029,s,0,i)}if(e.stencilPassOperation&&e.stencilFailOperation&&e.stencilDepthFailOperation){let i=wm("stencilPassOperation",e.stencilPassOperation),s=wm("stencilFailOperation",e.stencilFailOperation),o=wm("stencilDepthFailOperation",e.stencilDepthFailOperation);n.stencilOpSeparate(1028,s,o,i),n.stencilOpSeparate(1029,s,o,i)}switch(e.blend){case!0:n.enable(3042);break;case!1:n.disable(3042);break;default:}if(e.blendColorOperation||e.blendAlphaOperation){let i=_2("blendColorOperation",e.blendColorOperation||"add"),s=_2("blendAlphaOperation",e.blendAlphaOperation||"add");n.blendEquationSeparate(i,s);let o=Jl("blendColorSrcFactor",e.blendColorSrcFactor||"one"),a=Jl("blendColorDstFactor",e.blendColorDstFactor||"zero"),c=Jl("blendAlphaSrcFactor",e.blendAlphaSrcFactor||"one"),l=Jl("blendAlphaDstFactor",e.blendAlphaDstFactor||"zero");n.blendFuncSeparate(o,a,c,l)}}function ef(t,e){return $n(t,e,{never:512,less:513,equal:514,"less-equal":515,greater:516,"not-equal":517,"greater-equal":518,always:519})}function wm(t,e){return $n(t,e,{keep:7680,zero:0,replace:7681,invert:5386,"increment-clamp":7682,"decrement-clamp":7683,"increment-wrap":34055,"decrement-wrap":34056})}function _2(t,e){return $n(t,e,{add:32774,subtract:32778,"reverse-subtract":32779,min:32775,max:32776})}function Jl(t,e,r="color"){return $n(t,e,{one:1,zero:0,src:768,"one-minus-src":769,dst:774,"one-minus-dst":775,"src-alpha":770,"one-minus-src-alpha":771,"dst-alpha":772,"one-minus-dst-alpha":773,"src-alpha-saturated":776,constant:r==="color"?32769:32771,"one-minus-constant":r==="color"?32770:32772,src1:768,"one-minus-src1":769,"src1-alpha":770,"one-minus-src1-alpha":771})}function H4(t,e){return`Illegal parameter ${e} for ${t}`}function $n(t,e,r){if(!(e in r))throw new Error(H4(t,e));return r[e]}function Y4(t,e){return e}function q4(t){let e=!0;for(let r in t){e=!1;break}return e}var vm=b(()=>{N();Xi()});function tf(t){let e={};return t.addressModeU&&(e[10242]=Em(t.addressModeU)),t.addressModeV&&(e[10243]=Em(t.addressModeV)),t.addressModeW&&(e[32882]=Em(t.addressModeW)),t.magFilter&&(e[10240]=Sm(t.magFilter)),(t.minFilter||t.mipmapFilter)&&(e[10241]=X4(t.minFilter||"linear",t.mipmapFilter)),t.lodMinClamp!==void 0&&(e[33082]=t.lodMinClamp),t.lodMaxClamp!==void 0&&(e[33083]=t.lodMaxClamp),t.type==="comparison-sampler"&&(e[34892]=34894),t.compare&&(e[34893]=ef("compare",t.compare)),t.maxAnisotropy&&(e[34046]=t.maxAnisotropy),e}function Em(t){switch(t){case"clamp-to-edge":return 33071;case"repeat":return 10497;case"mirror-repeat":return 33648}}function Sm(t){switch(t){case"nearest":return 9728;case"linear":return 9729}}function X4(t,e="none"){if(!e)return Sm(t);switch(e){case"none":return Sm(t);case"nearest":switch(t){case"nearest":return 9984;case"linear":return 9985}break;case"linear":switch(t){case"nearest":return 9986;case"linear":return 9987}}}var Pm=b(()=>{vm()});var rf,b2=b(()=>{N();Pm();rf=class extends fn{device;handle;parameters;constructor(e,r){super(e,r),this.device=e,this.parameters=tf(r),this.handle=r.handle||this.device.gl.createSampler(),this._setSamplerParameters(this.parameters)}destroy(){this.handle&&(this.device.gl.deleteSampler(this.handle),this.handle=void 0)}toString(){return`Sampler(${this.id},${JSON.stringify(this.props)})`}_setSamplerParameters(e){for(let[r,n]of Object.entries(e)){let i=Number(r);switch(i){case 33082:case 33083:this.device.gl.samplerParameterf(this.handle,i,n);break;default:this.device.gl.samplerParameteri(this.handle,i,n);break}}}}});function Mt(t,e,r){if(Z4(e))return r(t);let{nocatch:n=!0}=e,i=At.get(t);i.push(),Tt(t,e);let s;if(n)s=r(t),i.pop();else try{s=r(t)}finally{i.pop()}return s}function Z4(t){for(let e in t)return!1;return!0}var nf=b(()=>{Xi();dm()});var er,Tm=b(()=>{N();er=class extends un{device;gl;handle;texture;constructor(e,r){super(e,{...q.defaultProps,...r}),this.device=e,this.gl=this.device.gl,this.handle=null,this.texture=r.texture}}});function sf(t){return K4[t]}var K4,Am=b(()=>{K4={5124:"sint32",5125:"uint32",5122:"sint16",5123:"uint16",5120:"sint8",5121:"uint8",5126:"float32",5131:"float16",33635:"uint16",32819:"uint16",32820:"uint16",33640:"uint32",35899:"uint32",35902:"uint32",34042:"uint32",36269:"uint32"}});function Q4(t,e=0){return e?new t.constructor(t.buffer,t.byteOffset+e,(t.byteLength-e)/t.BYTES_PER_ELEMENT):t}function J4(t,e){if(e%t.BYTES_PER_ELEMENT!==0)throw new Error(`Texture byteOffset ${e} must align to typed array element size ${t.BYTES_PER_ELEMENT}`);return e/t.BYTES_PER_ELEMENT}function eD(t){switch(t){case"1d":break;case"2d":return 3553;case"3d":return 32879;case"cube":return 34067;case"2d-array":return 35866;case"cube-array":break}throw new Error(t)}function na(t,e,r){return e==="cube"?34069+r:t}var tr,of=b(()=>{N();Qi();Pm();nf();Tm();Am();tr=class extends q{device;gl;handle;sampler=void 0;view;glTarget;glFormat;glType;glInternalFormat;compressed;_textureUnit=0;_framebuffer=null;_framebufferAttachmentKey=null;constructor(e,r){super(e,r,{byteAlignment:1}),this.device=e,this.gl=this.device.gl;let n=Wl(this.props.format);if(this.glTarget=eD(this.props.dimension),this.glInternalFormat=n.internalFormat,this.glFormat=n.format,this.glType=n.type,this.compressed=n.compressed,this.isHandleBorrowed&&this.props.handle===void 0)throw new Error("Borrowed WebGL textures require a texture handle");if(this.handle=this.props.handle||this.gl.createTexture(),this.device._setWebGLDebugMetadata(this.handle,this,{spector:this.props}),!this.isHandleBorrowed){this.gl.bindTexture(this.glTarget,this.handle);let{dimension:i,width:s,height:o,depth:a,mipLevels:c,glTarget:l,glInternalFormat:f}=this;if(!this.compressed)switch(i){case"2d":case"cube":this.gl.texStorage2D(l,c,f,s,o);break;case"2d-array":case"3d":this.gl.texStorage3D(l,c,f,s,o,a);break;default:throw new Error(i)}this.gl.bindTexture(this.glTarget,null),this._initializeData(r.data)}this.ownsHandle?this.trackAllocatedMemory(this.getAllocatedByteLength(),"Texture"):this.trackReferencedMemory(this.getAllocatedByteLength(),"Texture"),this.isHandleBorrowed||this.setSampler(this.props.sampler),this.view=new er(this.device,{...this.props,texture:this}),Object.seal(this)}destroy(){this.handle&&(this._framebuffer?.destroy(),this._framebuffer=null,this._framebufferAttachmentKey=null,this.removeStats(),this.ownsHandle?(this.gl.deleteTexture(this.handle),this.trackDeallocatedMemory("Texture")):this.trackDeallocatedReferencedMemory("Texture"),this.destroyed=!0)}createView(e){return new er(this.device,{...e,texture:this})}clone(e){if(this.isHandleBorrowed&&e&&(e.width!==this.width||e.height!==this.height))throw new Error(`Cannot resize borrowed read-only ${this}`);return super.clone(e)}setSampler(e={}){this._assertWritable("set sampler parameters on"),super.setSampler(e);let r=tf(this.sampler.props);this._setSamplerParameters(r)}copyExternalImage(e){this._assertWritable("copy external image data into");let r=this._normalizeCopyExternalImageOptions(e);if(r.sourceX||r.sourceY)throw new Error("WebGL does not support sourceX/sourceY)");let{glFormat:n,glType:i}=this,{image:s,depth:o,mipLevel:a,x:c,y:l,z:f,width:u,height:d}=r,h=na(this.glTarget,this.dimension,f),p=r.flipY?{37440:!0}:{};return this.gl.bindTexture(this.glTarget,this.handle),Mt(this.gl,p,()=>{switch(this.dimension){case"2d":case"cube":this.gl.texSubImage2D(h,a,c,l,u,d,n,i,s);break;case"2d-array":case"3d":this.gl.texSubImage3D(h,a,c,l,f,u,d,o,n,i,s);break;default:}}),this.gl.bindTexture(this.glTarget,null),{width:r.width,height:r.height}}copyElementImage(e){this._assertWritable("copy element image data into");let r=this._normalizeCopyElementImageOptions(e),{glFormat:n}=this,{element:i,depth:s,mipLevel:o,sourceX:a,sourceY:c,sourceWidth:l,sourceHeight:f,x:u,y:d,z:h,width:p,height:m}=r,g=na(this.glTarget,this.dimension,h),y=r.flipY?{37440:!0}:{},_=this.gl;if(s!==1||this.dimension!=="2d"&&this.dimension!=="cube")throw new Error(`${this} copyElementImage only supports 2d and cube textures on WebGL`);if(o!==0||u!==0||d!==0)throw new Error(`${this} copyElementImage only supports full base-level uploads on WebGL`);if(typeof _.texElementImage2D!="function")throw new Error(`${this} copyElementImage is not supported by this WebGL implementation`);return this.gl.bindTexture(this.glTarget,this.handle),Mt(this.gl,y,()=>{_.texElementImage2D?.(g,n,i,{sx:a,sy:c,swidth:l??p,sheight:f??m,width:p,height:m})}),this.gl.bindTexture(this.glTarget,null),{width:r.width,height:r.height}}copyImageData(e){super.copyImageData(e)}readBuffer(e={},r){if(!r)throw new Error(`${this} readBuffer requires a destination buffer`);let n=this._getSupportedColorReadOptions(e),i=e.byteOffset??0,s=this.computeMemoryLayout(n);if(r.byteLength<i+s.byteLength)throw new Error(`${this} readBuffer target is too small (${r.byteLength} < ${i+s.byteLength})`);let o=r;this.gl.bindBuffer(35051,o.handle);try{this._readColorTextureLayers(n,s,a=>{this.gl.readPixels(n.x,n.y,n.width,n.height,this.glFormat,this.glType,i+a)})}finally{this.gl.bindBuffer(35051,null)}return r}async readDataAsync(e={}){throw new Error(`${this} readDataAsync is deprecated; use readBuffer() with an explicit destination buffer or DynamicTexture.readAsync()`)}writeBuffer(e,r={}){this._assertWritable("write buffer data into");let n=this._normalizeTextureWriteOptions(r),{width:i,height:s,depthOrArrayLayers:o,mipLevel:a,byteOffset:c,x:l,y:f,z:u}=n,{glFormat:d,glType:h,compressed:p}=this,m=na(this.glTarget,this.dimension,u);if(p)throw new Error("writeBuffer for compressed textures is not implemented in WebGL");let{bytesPerPixel:g}=this.device.getTextureFormatInfo(this.format),y=g?n.bytesPerRow/g:void 0,_={3317:this.byteAlignment,...y!==void 0?{3314:y}:{},32878:n.rowsPerImage};this.gl.bindTexture(this.glTarget,this.handle),this.gl.bindBuffer(35052,e.handle),Mt(this.gl,_,()=>{switch(this.dimension){case"2d":case"cube":this.gl.texSubImage2D(m,a,l,f,i,s,d,h,c);break;case"2d-array":case"3d":this.gl.texSubImage3D(m,a,l,f,u,i,s,o,d,h,c);break;default:}}),this.gl.bindBuffer(35052,null),this.gl.bindTexture(this.glTarget,null)}writeData(e,r={}){this._assertWritable("write data into");let n=this._normalizeTextureWriteOptions(r),i=ArrayBuffer.isView(e)?e:new Uint8Array(e),{width:s,height:o,depthOrArrayLayers:a,mipLevel:c,x:l,y:f,z:u,byteOffset:d}=n,{glFormat:h,glType:p,compressed:m}=this,g=na(this.glTarget,this.dimension,u),y;if(!m){let{bytesPerPixel:A}=this.device.getTextureFormatInfo(this.format);A&&(y=n.bytesPerRow/A)}let _=this.compressed?{}:{3317:this.byteAlignment,...y!==void 0?{3314:y}:{},32878:n.rowsPerImage},x=J4(i,d),w=m?Q4(i,d):i,v=this._getMipLevelSize(c),S=l===0&&f===0&&u===0&&s===v.width&&o===v.height&&a===v.depthOrArrayLayers;this.gl.bindTexture(this.glTarget,this.handle),this.gl.bindBuffer(35052,null),Mt(this.gl,_,()=>{switch(this.dimension){case"2d":case"cube":m?S?this.gl.compressedTexImage2D(g,c,h,s,o,0,w):this.gl.compressedTexSubImage2D(g,c,l,f,s,o,h,w):this.gl.texSubImage2D(g,c,l,f,s,o,h,p,i,x);break;case"2d-array":case"3d":m?S?this.gl.compressedTexImage3D(g,c,h,s,o,a,0,w):this.gl.compressedTexSubImage3D(g,c,l,f,u,s,o,a,h,w):this.gl.texSubImage3D(g,c,l,f,u,s,o,a,h,p,i,x);break;default:}}),this.gl.bindTexture(this.glTarget,null)}_getRowByteAlignment(e,r){return 1}_getFramebuffer(){return this._framebuffer||=this.device.createFramebuffer({id:`framebuffer-for-${this.id}`,width:this.width,height:this.height,colorAttachments:[this]}),this._framebuffer}readDataSyncWebGL(e={}){let r=this._getSupportedColorReadOptions(e),n=this.computeMemoryLayout(r),i=sf(this.glType),s=ln(i),o=new s(n.byteLength/s.BYTES_PER_ELEMENT);return this._readColorTextureLayers(r,n,a=>{let c=new s(o.buffer,o.byteOffset+a,n.bytesPerImage/s.BYTES_PER_ELEMENT);this.gl.readPixels(r.x,r.y,r.width,r.height,this.glFormat,this.glType,c)}),o.buffer}_readColorTextureLayers(e,r,n){let i=this._getFramebuffer(),s=r.bytesPerRow/r.bytesPerPixel,o={3333:this.byteAlignment,...s!==e.width?{3330:s}:{}},a=this.gl.getParameter(3074),c=this.gl.bindFramebuffer(36160,i.handle);try{this.gl.readBuffer(36064),Mt(this.gl,o,()=>{for(let l=0;l<e.depthOrArrayLayers;l++)this._attachReadSubresource(i,e.mipLevel,e.z+l),n(l*r.bytesPerImage)})}finally{this.gl.bindFramebuffer(36160,c||null),this.gl.readBuffer(a)}}_attachReadSubresource(e,r,n){let i=`${r}:${n}`;if(this._framebufferAttachmentKey!==i){switch(this.dimension){case"2d":this.gl.framebufferTexture2D(36160,36064,3553,this.handle,r);break;case"cube":this.gl.framebufferTexture2D(36160,36064,na(this.glTarget,this.dimension,n),this.handle,r);break;case"2d-array":case"3d":this.gl.framebufferTextureLayer(36160,36064,this.handle,r,n);break;default:throw new Error(`${this} color readback does not support ${this.dimension} textures`)}if(this.device.props.debug){let s=Number(this.gl.checkFramebufferStatus(36160));if(s!==36053)throw new Error(`${e} incomplete for ${this} readback (${s})`)}this._framebufferAttachmentKey=i}}generateMipmapsWebGL(e){if(this._assertWritable("generate mipmaps for"),!(!(this.device.isTextureFormatRenderable(this.props.format)&&this.device.isTextureFormatFilterable(this.props.format))&&(P.warn(`${this} is not renderable or filterable, may not be able to generate mipmaps`)(),!e?.force)))try{this.gl.bindTexture(this.glTarget,this.handle),this.gl.generateMipmap(this.glTarget)}catch(n){P.warn(`Error generating mipmap for ${this}: ${n.message}`)()}finally{this.gl.bindTexture(this.glTarget,null)}}_setSamplerParameters(e){P.level>=2&&P.log(2,`${this.id} sampler parameters`,this.device.getGLKeys(e))(),this.gl.bindTexture(this.glTarget,this.handle);for(let[r,n]of Object.entries(e)){let i=Number(r),s=n;switch(i){case 33082:case 33083:this.gl.texParameterf(this.glTarget,i,s);break;case 10240:case 10241:this.gl.texParameteri(this.glTarget,i,s);break;case 10242:case 10243:case 32882:this.gl.texParameteri(this.glTarget,i,s);break;case 34046:this.device.features.has("texture-filterable-anisotropic-webgl")&&this.gl.texParameteri(this.glTarget,i,s);break;case 34892:case 34893:this.gl.texParameteri(this.glTarget,i,s);break}}this.gl.bindTexture(this.glTarget,null)}_getActiveUnit(){return this.gl.getParameter(34016)-33984}_bind(e){let{gl:r}=this;return e!==void 0&&(this._textureUnit=e,r.activeTexture(33984+e)),r.bindTexture(this.glTarget,this.handle),e}_unbind(e){let{gl:r}=this;return e!==void 0&&(this._textureUnit=e,r.activeTexture(33984+e)),r.bindTexture(this.glTarget,null),e}_assertWritable(e){if(this.isHandleBorrowed)throw new Error(`Cannot ${e} borrowed read-only ${this}`)}}});function w2(t,e,r,n){let i=t,s=n;s===!0&&(s=1),s===!1&&(s=0);let o=typeof s=="number"?[s]:s;switch(r){case 35678:case 35680:case 35679:case 35682:case 36289:case 36292:case 36293:case 36298:case 36299:case 36300:case 36303:case 36306:case 36307:case 36308:case 36311:if(typeof n!="number")throw new Error("samplers must be set to integers");return t.uniform1i(e,n);case 5126:return t.uniform1fv(e,o);case 35664:return t.uniform2fv(e,o);case 35665:return t.uniform3fv(e,o);case 35666:return t.uniform4fv(e,o);case 5124:return t.uniform1iv(e,o);case 35667:return t.uniform2iv(e,o);case 35668:return t.uniform3iv(e,o);case 35669:return t.uniform4iv(e,o);case 35670:return t.uniform1iv(e,o);case 35671:return t.uniform2iv(e,o);case 35672:return t.uniform3iv(e,o);case 35673:return t.uniform4iv(e,o);case 5125:return i.uniform1uiv(e,o,1);case 36294:return i.uniform2uiv(e,o,2);case 36295:return i.uniform3uiv(e,o,3);case 36296:return i.uniform4uiv(e,o,4);case 35674:return t.uniformMatrix2fv(e,!1,o);case 35675:return t.uniformMatrix3fv(e,!1,o);case 35676:return t.uniformMatrix4fv(e,!1,o);case 35685:return i.uniformMatrix2x3fv(e,!1,o);case 35686:return i.uniformMatrix2x4fv(e,!1,o);case 35687:return i.uniformMatrix3x2fv(e,!1,o);case 35688:return i.uniformMatrix3x4fv(e,!1,o);case 35689:return i.uniformMatrix4x2fv(e,!1,o);case 35690:return i.uniformMatrix4x3fv(e,!1,o)}throw new Error("Illegal uniform")}var v2=b(()=>{});function E2(t){return rD[t]}function af(t){return tD[t]}function cf(t){return!!P2[t]}function S2(t){return P2[t]}var tD,P2,rD,lf=b(()=>{tD={5126:"f32",35664:"vec2<f32>",35665:"vec3<f32>",35666:"vec4<f32>",5124:"i32",35667:"vec2<i32>",35668:"vec3<i32>",35669:"vec4<i32>",5125:"u32",36294:"vec2<u32>",36295:"vec3<u32>",36296:"vec4<u32>",35670:"f32",35671:"vec2<f32>",35672:"vec3<f32>",35673:"vec4<f32>",35674:"mat2x2<f32>",35685:"mat2x3<f32>",35686:"mat2x4<f32>",35687:"mat3x2<f32>",35675:"mat3x3<f32>",35688:"mat3x4<f32>",35689:"mat4x2<f32>",35690:"mat4x3<f32>",35676:"mat4x4<f32>"},P2={35678:{viewDimension:"2d",sampleType:"float"},35680:{viewDimension:"cube",sampleType:"float"},35679:{viewDimension:"3d",sampleType:"float"},35682:{viewDimension:"3d",sampleType:"depth"},36289:{viewDimension:"2d-array",sampleType:"float"},36292:{viewDimension:"2d-array",sampleType:"depth"},36293:{viewDimension:"cube",sampleType:"float"},36298:{viewDimension:"2d",sampleType:"sint"},36299:{viewDimension:"3d",sampleType:"sint"},36300:{viewDimension:"cube",sampleType:"sint"},36303:{viewDimension:"2d-array",sampleType:"uint"},36306:{viewDimension:"2d",sampleType:"uint"},36307:{viewDimension:"3d",sampleType:"uint"},36308:{viewDimension:"cube",sampleType:"uint"},36311:{viewDimension:"2d-array",sampleType:"uint"}},rD={uint8:5121,sint8:5120,unorm8:5121,snorm8:5120,uint16:5123,sint16:5122,unorm16:5123,snorm16:5122,uint32:5125,sint32:5124,float16:5131,float32:5126}});function A2(t,e,r={}){let n={attributes:[],bindings:[]};n.attributes=nD(t,e);let i=oD(t,e,r);for(let c of i){let l=c.uniforms.map(f=>({name:f.name,format:f.format,byteOffset:f.byteOffset,byteStride:f.byteStride,arrayLength:f.arrayLength}));n.bindings.push({type:"uniform",name:c.name,group:0,location:c.location,visibility:(c.vertex?1:0)|(c.fragment?2:0),minBindingSize:c.byteLength,uniforms:l})}let s=sD(t,e),o=0;for(let c of s)if(cf(c.type)){let{viewDimension:l,sampleType:f}=S2(c.type);n.bindings.push({type:"texture",name:c.name,group:0,location:o,viewDimension:l,sampleType:f}),c.textureUnit=o,o+=1}s.length&&(n.uniforms=s);let a=iD(t,e);return a?.length&&(n.varyings=a),n}function nD(t,e){let r=[],n=t.getProgramParameter(e,35721);for(let i=0;i<n;i++){let s=t.getActiveAttrib(e,i);if(!s)throw new Error("activeInfo");let{name:o,type:a}=s,c=t.getAttribLocation(e,o);if(c>=0){let l=af(a),f=/instance/i.test(o)?"instance":"vertex";r.push({name:o,location:c,stepMode:f,type:l})}}return r.sort((i,s)=>i.location-s.location),r}function iD(t,e){let r=[],n=t.getProgramParameter(e,35971);for(let i=0;i<n;i++){let s=t.getTransformFeedbackVarying(e,i);if(!s)throw new Error("activeInfo");let{name:o,type:a,size:c}=s,l=af(a),{type:f,components:u}=gi(l);r.push({location:i,name:o,type:f,size:c*u})}return r.sort((i,s)=>i.location-s.location),r}function sD(t,e){let r=[],n=t.getProgramParameter(e,35718);for(let i=0;i<n;i++){let s=t.getActiveUniform(e,i);if(!s)throw new Error("activeInfo");let{name:o,size:a,type:c}=s,{name:l,isArray:f}=hD(o),u=t.getUniformLocation(e,l),d={location:u,name:l,size:a,type:c,isArray:f};if(r.push(d),d.size>1)for(let h=0;h<d.size;h++){let p=`${l}[${h}]`;u=t.getUniformLocation(e,p);let m={...d,name:p,location:u};r.push(m)}}return r}function oD(t,e,r){let n=[],i=cD(t,e,r);for(let[o,a]of i){n.push(a);try{let c=T2(t,e,o,a.name);aD(c,a)}catch(c){let l=c instanceof Error?c.message:String(c);P.once(0,`WebGL uniform block reflection failed for "${a.name}"; using supplied std140 metadata. ${l}`)()}}let s=t.getProgramParameter(e,35382);if(!Number.isInteger(s)||s<0)throw new Error(`Failed to reflect WebGL uniform blocks: ACTIVE_UNIFORM_BLOCKS returned ${String(s)}`);for(let o=0;o<s;o++)i.has(o)||n.push(T2(t,e,o));return n.sort((o,a)=>o.location-a.location),n}function aD(t,e){for(let r of t.uniforms){let n=e.uniforms.find(i=>r.name===i.name||r.name.endsWith(`.${i.name}`));if(!n)throw new Error(`Failed to validate WebGL uniform block "${e.name}": reflected unexpected member "${r.name}"`);if(r.format!==n.format||r.arrayLength!==n.arrayLength||r.byteOffset!==n.byteOffset||r.byteStride!==n.byteStride)throw new Error(`Failed to validate WebGL uniform block "${e.name}": reflected layout for "${r.name}" does not match supplied std140 metadata`)}}function cD(t,e,r){let n=new Map;for(let s of r.uniformBlockLayouts||[])n.set(s.name,fD(s));for(let s of r.shaderLayout?.bindings||[])dD(s)&&n.set(s.name,s);let i=new Map;for(let s of n.values()){let o=lD(t,e,s.name);if(!o)continue;let{blockIndex:a,blockName:c}=o;if(i.has(a))throw new Error(`Multiple supplied uniform block layouts resolve to active WebGL block "${c}"`);i.set(a,{name:c,location:a,byteLength:s.minBindingSize,vertex:!!(s.visibility&&s.visibility&1),fragment:!!(s.visibility&&s.visibility&2),uniformCount:s.uniforms.length,uniforms:s.uniforms.map(l=>({...l}))})}return i}function lD(t,e,r){let n=r.endsWith("Uniforms")?[r,r.slice(0,-8)]:[r,`${r}Uniforms`];for(let i of n){let s=t.getUniformBlockIndex(e,i);if(s!==4294967295){if(!Number.isInteger(s)||s<0)throw new Error(`Failed to resolve WebGL uniform block "${i}": getUniformBlockIndex returned ${String(s)}`);return{blockIndex:s,blockName:i}}}return null}function T2(t,e,r,n){let i=n||t.getActiveUniformBlockName(e,r);if(!i)throw new Error(`Failed to reflect WebGL uniform block at index ${r}: missing block name`);let s=(x,w)=>{let v=t.getActiveUniformBlockParameter(e,r,x);if(v==null)throw new Error(`Failed to reflect WebGL uniform block "${i}": ${w} returned null`);return v},o=Gn(s(35391,"UNIFORM_BLOCK_BINDING"),i,"UNIFORM_BLOCK_BINDING",0),a=Gn(s(35392,"UNIFORM_BLOCK_DATA_SIZE"),i,"UNIFORM_BLOCK_DATA_SIZE",0),c=Gn(s(35394,"UNIFORM_BLOCK_ACTIVE_UNIFORMS"),i,"UNIFORM_BLOCK_ACTIVE_UNIFORMS",0),l=L2(s(35395,"UNIFORM_BLOCK_ACTIVE_UNIFORM_INDICES"),i,"UNIFORM_BLOCK_ACTIVE_UNIFORM_INDICES",c),f=ia(t,e,l,35383,"UNIFORM_TYPE",i,c),u=ia(t,e,l,35384,"UNIFORM_SIZE",i,c),d=ia(t,e,l,35386,"UNIFORM_BLOCK_INDEX",i,c),h=ia(t,e,l,35387,"UNIFORM_OFFSET",i,c),p=ia(t,e,l,35388,"UNIFORM_ARRAY_STRIDE",i,c),m=[];for(let x=0;x<c;x++){if(d[x]!==r)throw new Error(`Failed to reflect WebGL uniform block "${i}": active uniform index ${l[x]} belongs to block ${d[x]}, expected ${r}`);let w=l[x],v=t.getActiveUniform(e,w);if(!v)throw new Error(`Failed to reflect WebGL uniform block "${i}": getActiveUniform(${w}) returned null`);let S=Gn(f[x],i,`UNIFORM_TYPE[${x}]`,1),A=Gn(u[x],i,`UNIFORM_SIZE[${x}]`,1),L=Gn(h[x],i,`UNIFORM_OFFSET[${x}]`,0),C=Gn(p[x],i,`UNIFORM_ARRAY_STRIDE[${x}]`,0);if(v.type!==S||v.size!==A)throw new Error(`Failed to reflect WebGL uniform block "${i}": getActiveUniform(${w}) disagrees with getActiveUniforms`);m.push({name:v.name,format:af(S),arrayLength:A,byteOffset:L,byteStride:C})}let g={name:i,location:o,byteLength:a,vertex:!!s(35396,"UNIFORM_BLOCK_REFERENCED_BY_VERTEX_SHADER"),fragment:!!s(35398,"UNIFORM_BLOCK_REFERENCED_BY_FRAGMENT_SHADER"),uniformCount:c,uniforms:m},y=new Set(g.uniforms.map(x=>x.name.split(".")[0]).filter(x=>!!x)),_=g.name.replace(/Uniforms$/,"");if(y.size===1&&!y.has(g.name)&&!y.has(_)){let[x]=y;P.warn(`Uniform block "${g.name}" uses GLSL instance "${x}". luma.gl binds uniform buffers by block name ("${g.name}") and alias ("${_}"). Prefer matching the instance name to one of those to avoid confusing silent mismatches.`)()}return g}function ia(t,e,r,n,i,s,o){let a=t.getActiveUniforms(e,r,n);if(a===null)throw new Error(`Failed to reflect WebGL uniform block "${s}": ${i} returned null`);return L2(a,s,i,o)}function L2(t,e,r,n){if(!Array.isArray(t)&&!ArrayBuffer.isView(t))throw new Error(`Failed to reflect WebGL uniform block "${e}": ${r} returned a non-array value`);let i=Array.from(t);if(i.length!==n||i.some(s=>!Number.isInteger(s)))throw new Error(`Failed to reflect WebGL uniform block "${e}": ${r} returned ${i.length} invalid values, expected ${n}`);return i}function Gn(t,e,r,n){if(!Number.isInteger(t)||t<n)throw new Error(`Failed to reflect WebGL uniform block "${e}": ${r} returned ${String(t)}`);return t}function fD(t){let e=yn(t.uniformTypes,{layout:"std140"}),r=uD(t.uniformTypes,e.fields);return{type:"uniform",name:t.name,group:0,location:0,minBindingSize:e.byteLength,uniforms:r}}function uD(t,e){let r=[],n=(s,o)=>{if(typeof o=="string"){let a=e[s];if(!a)throw new Error(`Missing std140 layout field ${s}`);r.push({name:s,format:a.shaderType,arrayLength:1,byteOffset:a.offset*4,byteStride:0});return}if(Array.isArray(o)){i(s,o[0],o[1]);return}for(let[a,c]of Object.entries(o))n(`${s}.${a}`,c)},i=(s,o,a)=>{if(typeof o=="string"){let c=e[`${s}[0]`],l=a>1?e[`${s}[1]`]:void 0;if(!c)throw new Error(`Missing std140 array layout field ${s}[0]`);r.push({name:`${s}[0]`,format:c.shaderType,arrayLength:a,byteOffset:c.offset*4,byteStride:l?(l.offset-c.offset)*4:0});return}if(Array.isArray(o))throw new Error(`Nested uniform arrays are not supported for ${s}`);for(let[c,l]of Object.entries(o)){if(typeof l!="string")throw new Error(`Composite uniform array members are not supported for ${s}`);let f=`${s}[0].${c}`,u=`${s}[1].${c}`,d=e[f],h=a>1?e[u]:void 0;if(!d)throw new Error(`Missing std140 array layout field ${f}`);r.push({name:f,format:d.shaderType,arrayLength:a,byteOffset:d.offset*4,byteStride:h?(h.offset-d.offset)*4:0})}};for(let[s,o]of Object.entries(t))n(s,o);return r}function dD(t){return t.type==="uniform"&&Number.isInteger(t.minBindingSize)&&t.minBindingSize>=0&&Array.isArray(t.uniforms)&&t.uniforms.every(e=>typeof e.name=="string"&&typeof e.format=="string"&&Number.isInteger(e.arrayLength)&&e.arrayLength>0&&Number.isInteger(e.byteOffset)&&e.byteOffset>=0&&Number.isInteger(e.byteStride)&&e.byteStride>=0)}function hD(t){if(t[t.length-1]!=="]")return{name:t,length:1,isArray:!1};let r=/([^[]*)(\[[0-9]+\])?/.exec(t);return{name:Lr(r?.[1],`Failed to parse GLSL uniform name ${t}`),length:r?.[2]?1:0,isArray:!!r?.[2]}}var C2=b(()=>{N();lf()});function pD(t,e){let r={...t,attributes:t.attributes.map(n=>({...n})),bindings:t.bindings.map(n=>({...n}))};for(let n of e?.attributes||[]){let i=r.attributes.find(s=>s.name===n.name);i?(i.type=n.type||i.type,i.stepMode=n.stepMode||i.stepMode):P.warn(`shader layout attribute ${n.name} not present in shader`)}for(let n of e?.bindings||[]){let i=I2(r,n.name);if(!i){P.warn(`shader layout binding ${n.name} not present in shader`);continue}Object.assign(i,n)}return r}function I2(t,e){return t.bindings.find(r=>r.name===e||r.name===`${e}Uniforms`||`${r.name}Uniforms`===e)}function M2(t,e){return t[e]||t[`${e}Uniforms`]||t[e.replace(/Uniforms$/,"")]}var ff,R2=b(()=>{N();v2();Zl();Yl();of();Tm();C2();ff=class extends lt{device;handle;vs;fs;introspectedLayout;bindings={};uniforms={};varyings=null;_uniformCount=0;_uniformSetters={};get[Symbol.toStringTag](){return"WEBGLRenderPipeline"}constructor(e,r){super(e,r),this.device=e;let n=this.sharedRenderPipeline||this.device._createSharedRenderPipelineWebGL(r);this.sharedRenderPipeline=n,this.handle=n.handle,this.vs=n.vs,this.fs=n.fs,this.linkStatus=n.linkStatus,this.introspectedLayout=A2(this.device.gl,this.handle,{uniformBlockLayouts:r._uniformBlockLayouts,shaderLayout:r.shaderLayout}),this.device._setWebGLDebugMetadata(this.handle,this,{spector:{id:this.props.id}}),this.shaderLayout=r.shaderLayout?pD(this.introspectedLayout,r.shaderLayout):this.introspectedLayout}destroy(){this.destroyed||(this.sharedRenderPipeline&&!this.props._sharedRenderPipeline&&this.sharedRenderPipeline.destroy(),this.destroyResource())}setBindings(e,r){let n=mi(gn(this.shaderLayout,e));for(let[i,s]of Object.entries(n)){let o=I2(this.shaderLayout,i);if(o){switch(s||P.warn(`Unsetting binding "${i}" in render pipeline "${this.id}"`)(),o.type){case"uniform":if(!(s instanceof Ct)&&!(s.buffer instanceof Ct))throw new Error("buffer value");break;case"texture":if(!(s instanceof er||s instanceof tr||s instanceof Jt))throw new Error(`${this} Bad texture binding for ${i}`);break;case"sampler":P.warn(`Ignoring sampler ${i}`)();break;default:throw new Error(o.type)}this.bindings[i]=s}else{let a=this.shaderLayout.bindings.map(c=>`"${c.name}"`).join(", ");r?.disableWarnings||P.warn(`No binding "${i}" in render pipeline "${this.id}", expected one of ${a}`,s)()}}}draw(e){let r=e.renderPass,n=e.bindGroups?mi(e.bindGroups):e.bindings||this.bindings;return r.setPipeline(this),r.setBindings(n),r.setVertexArray(e.vertexArray),r.draw({parameters:e.parameters,topology:e.topology,isInstanced:e.isInstanced,vertexCount:e.vertexCount,indexCount:e.indexCount,instanceCount:e.instanceCount,firstVertex:e.firstVertex,firstIndex:e.firstIndex,firstInstance:e.firstInstance,baseVertex:e.baseVertex,transformFeedback:e.transformFeedback,uniforms:e.uniforms})}_areTexturesRenderable(e){let r=!0;for(let n of this.shaderLayout.bindings)M2(e,n.name)||(P.warn(`Binding ${n.name} not found in ${this.id}`)(),r=!1);return r}_applyBindings(e,r){if(this._syncLinkStatus(),this.linkStatus!=="success")return;let{gl:n}=this.device;n.useProgram(this.handle);let i=0,s=0;for(let o of this.shaderLayout.bindings){let a=M2(e,o.name);if(!a)throw new Error(`No value for binding ${o.name} in ${this.id}`);switch(o.type){case"uniform":let{name:c}=o,l=n.getUniformBlockIndex(this.handle,c);if(l===4294967295)throw new Error(`Invalid uniform block name ${c}`);if(n.uniformBlockBinding(this.handle,l,s),a instanceof Ct)n.bindBufferBase(35345,s,a.handle);else{let u=a;n.bindBufferRange(35345,s,u.buffer.handle,u.offset||0,u.size||u.buffer.byteLength-(u.offset||0))}s+=1;break;case"texture":if(!(a instanceof er||a instanceof tr||a instanceof Jt))throw new Error("texture");let f;if(a instanceof er)f=a.texture;else if(a instanceof tr)f=a;else if(a instanceof Jt&&a.colorAttachments[0]instanceof er)P.warn("Passing framebuffer in texture binding may be deprecated. Use fbo.colorAttachments[0] instead")(),f=a.colorAttachments[0].texture;else throw new Error("No texture");n.activeTexture(33984+i),n.bindTexture(f.glTarget,f.handle),i+=1;break;case"sampler":break;case"storage":case"read-only-storage":throw new Error(`binding type '${o.type}' not supported in WebGL`)}}}_applyUniforms(e){for(let r of this.shaderLayout.uniforms||[]){let{name:n,location:i,type:s,textureUnit:o}=r,a=e[n]??o;a!==void 0&&w2(this.device.gl,i,s,a)}}_syncLinkStatus(){this.linkStatus=this.sharedRenderPipeline.linkStatus}}});var k2,uf,O2=b(()=>{N();lf();k2=4,uf=class extends Ys{device;handle;vs;fs;linkStatus="pending";constructor(e,r){super(e,r),this.device=e,this.handle=r.handle||this.device.gl.createProgram(),this.vs=r.vs,this.fs=r.fs,r.varyings&&r.varyings.length>0&&this.device.gl.transformFeedbackVaryings(this.handle,r.varyings,r.bufferMode||35981),this._linkShaders()}destroy(){this.destroyed||(this.device.gl.useProgram(null),this.device.gl.deleteProgram(this.handle),this.handle.destroyed=!0,this.destroyResource())}async _linkShaders(){let{gl:e}=this.device;if(e.attachShader(this.handle,this.vs.handle),e.attachShader(this.handle,this.fs.handle),P.time(k2,`linkProgram for ${this.id}`)(),e.linkProgram(this.handle),P.timeEnd(k2,`linkProgram for ${this.id}`)(),!this.device.features.has("compilation-status-async-webgl")){let n=this._getLinkStatus();this._reportLinkStatus(n);return}P.once(1,"RenderPipeline linking is asynchronous")(),await this._waitForLinkComplete(),P.info(2,`RenderPipeline ${this.id} - async linking complete: ${this.linkStatus}`)();let r=this._getLinkStatus();this._reportLinkStatus(r)}async _reportLinkStatus(e){switch(e){case"success":return;default:let r=e==="link-error"?"Link error":"Validation error";switch(this.vs.compilationStatus){case"error":throw this.vs.debugShader(),new Error(`${this} ${r} during compilation of ${this.vs}`);case"pending":await this.vs.asyncCompilationStatus,this.vs.debugShader();break;case"success":break}switch(this.fs?.compilationStatus){case"error":throw this.fs.debugShader(),new Error(`${this} ${r} during compilation of ${this.fs}`);case"pending":await this.fs.asyncCompilationStatus,this.fs.debugShader();break;case"success":break}let n=this.device.gl.getProgramInfoLog(this.handle);this.device.reportError(new Error(`${r} during ${e}: ${n}`),this)(),this.device.debug()}}_getLinkStatus(){let{gl:e}=this.device;return e.getProgramParameter(this.handle,35714)?(this._initializeSamplerUniforms(),e.validateProgram(this.handle),e.getProgramParameter(this.handle,35715)?(this.linkStatus="success","success"):(this.linkStatus="error","validation-error")):(this.linkStatus="error","link-error")}_initializeSamplerUniforms(){let{gl:e}=this.device;e.useProgram(this.handle);let r=0,n=e.getProgramParameter(this.handle,35718);for(let i=0;i<n;i++){let s=e.getActiveUniform(this.handle,i);if(s&&cf(s.type)){let o=s.name.endsWith("[0]"),a=o?s.name.slice(0,-3):s.name,c=e.getUniformLocation(this.handle,a);c!==null&&(r=this._assignSamplerUniform(c,s,o,r))}}}_assignSamplerUniform(e,r,n,i){let{gl:s}=this.device;if(n&&r.size>1){let o=Int32Array.from({length:r.size},(a,c)=>i+c);return s.uniform1iv(e,o),i+r.size}return s.uniform1i(e,i),i+1}async _waitForLinkComplete(){let e=async i=>await new Promise(s=>setTimeout(s,i));if(!this.device.features.has("compilation-status-async-webgl")){await e(10);return}let{gl:n}=this.device;for(;;){if(n.getProgramParameter(this.handle,37297))return;await e(10)}}}});function mD(t,e){let r=e.sourceBuffer,n=e.destinationBuffer;t.gl.bindBuffer(36662,r.handle),t.gl.bindBuffer(36663,n.handle),t.gl.copyBufferSubData(36662,36663,e.sourceOffset??0,e.destinationOffset??0,e.size),t.gl.bindBuffer(36662,null),t.gl.bindBuffer(36663,null)}function gD(t,e){let{sourceBuffer:r,byteOffset:n=0,destinationTexture:i,mipLevel:s=0,origin:o=[0,0,0],aspect:a="all",bytesPerRow:c,rowsPerImage:l,size:f}=e;if(a!=="all")throw new Error("copyBufferToTexture aspect is not supported in WebGL");i.writeBuffer(r,{byteOffset:n,bytesPerRow:c,rowsPerImage:l,mipLevel:s,x:o[0]??0,y:o[1]??0,z:o[2]??0,width:f[0],height:f[1],depthOrArrayLayers:f[2]})}function yD(t,e){let{sourceTexture:r,mipLevel:n=0,aspect:i="all",width:s=e.sourceTexture.width,height:o=e.sourceTexture.height,depthOrArrayLayers:a,origin:c=[0,0,0],destinationBuffer:l,byteOffset:f=0,bytesPerRow:u,rowsPerImage:d}=e;if(r instanceof q){r.readBuffer({x:c[0]??0,y:c[1]??0,z:c[2]??0,width:s,height:o,depthOrArrayLayers:a,mipLevel:n,aspect:i,byteOffset:f},l);return}if(i!=="all")throw new Error("aspect not supported in WebGL");if(n!==0||a!==void 0||u||d)throw new Error("not implemented");let{framebuffer:h,destroyFramebuffer:p}=B2(r),m;try{let g=l,y=s||h.width,_=o||h.height,x=Lr(h.colorAttachments[0]),w=Wl(x.texture.props.format),v=w.format,S=w.type;t.gl.bindBuffer(35051,g.handle),m=t.gl.bindFramebuffer(36160,h.handle),t.gl.readPixels(c[0],c[1],y,_,v,S,f)}finally{t.gl.bindBuffer(35051,null),m!==void 0&&t.gl.bindFramebuffer(36160,m),p&&h.destroy()}}function _D(t,e){let{sourceTexture:r,destinationMipLevel:n=0,origin:i=[0,0],destinationOrigin:s=[0,0,0],destinationTexture:o}=e,{width:a=e.destinationTexture.width,height:c=e.destinationTexture.height}=e,{framebuffer:l,destroyFramebuffer:f}=B2(r),[u=0,d=0]=i,[h,p,m]=s,g=t.gl.bindFramebuffer(36160,l.handle),y,_;if(o instanceof tr)y=o,a=Number.isFinite(a)?a:y.width,c=Number.isFinite(c)?c:y.height,y._bind(0),_=y.glTarget;else throw new Error("invalid destination");switch(_){case 3553:case 34067:t.gl.copyTexSubImage2D(_,n,h,p,u,d,a,c);break;case 35866:case 32879:t.gl.copyTexSubImage3D(_,n,h,p,m,u,d,a,c);break;default:}y&&y._unbind(),t.gl.bindFramebuffer(36160,g),f&&l.destroy()}function B2(t){if(t instanceof q){let{width:e,height:r,id:n}=t;return{framebuffer:t.device.createFramebuffer({id:`framebuffer-for-${n}`,width:e,height:r,colorAttachments:[t]}),destroyFramebuffer:!0}}return{framebuffer:t,destroyFramebuffer:!1}}var df,D2=b(()=>{N();Qi();of();df=class extends Zs{device;handle=null;commands=[];constructor(e,r={}){super(e,r),this.device=e}_executeCommands(e=this.commands){for(let r of e)switch(r.name){case"copy-buffer-to-buffer":mD(this.device,r.options);break;case"copy-buffer-to-texture":gD(this.device,r.options);break;case"copy-texture-to-buffer":yD(this.device,r.options);break;case"copy-texture-to-texture":_D(this.device,r.options);break;default:throw new Error(r.name)}}}});function N2(t){switch(t){case"point-list":return 0;case"line-list":return 1;case"line-strip":return 3;case"triangle-list":return 4;case"triangle-strip":return 5;default:throw new Error(t)}}function F2(t){switch(t){case"point-list":return 0;case"line-list":return 1;case"line-strip":return 1;case"triangle-list":return 4;case"triangle-strip":return 4;default:throw new Error(t)}}var Lm=b(()=>{});var xD,hf,z2=b(()=>{N();nf();Xi();Lm();vm();xD=[1,2,4,8],hf=class extends qs{device;handle=null;glParameters={};pipeline=null;bindings={};bindingsPipeline=null;vertexArray=null;constructor(e,r){super(e,r),this.device=e;let n=this.props.framebuffer,i=!n||n.handle===null;i&&e.getDefaultCanvasContext()._resizeDrawingBufferIfNeeded();let s;if(!r?.parameters?.viewport)if(!i&&n){let{width:o,height:a}=n;s=[0,0,o,a]}else{let[o,a]=e.getDefaultCanvasContext().getDrawingBufferSize();s=[0,0,o,a]}if(this.device.pushState(),this.setParameters({viewport:s,...this.props.parameters}),!i&&n?.colorAttachments.length){let o=n.colorAttachments.map((a,c)=>36064+c);this.device.gl.drawBuffers(o)}else i&&this.device.gl.drawBuffers([1029]);this.clear(),this.props.timestampQuerySet&&this.props.beginTimestampIndex!==void 0&&this.props.timestampQuerySet.writeTimestamp(this.props.beginTimestampIndex)}end(){this.destroyed||(this.props.timestampQuerySet&&this.props.endTimestampIndex!==void 0&&this.props.timestampQuerySet.writeTimestamp(this.props.endTimestampIndex),this.device.popState(),this.destroy())}pushDebugGroup(e){}popDebugGroup(){}insertDebugMarker(e){}executeBundles(e){throw new Error("Render bundles are only supported in WebGPU")}setParameters(e={}){let r={...this.glParameters};r.framebuffer=this.props.framebuffer||null,this.props.depthReadOnly&&(r.depthMask=!this.props.depthReadOnly),r.stencilMask=this.props.stencilReadOnly?0:1,r[35977]=this.props.discard,e.viewport&&(e.viewport.length>=6?(r.viewport=e.viewport.slice(0,4),r.depthRange=[e.viewport[4],e.viewport[5]]):r.viewport=e.viewport),e.scissorRect&&(r.scissorTest=!0,r.scissor=e.scissorRect),e.blendConstant&&(r.blendColor=e.blendConstant),e.stencilReference!==void 0&&(r[2967]=e.stencilReference,r[36003]=e.stencilReference),"colorMask"in e&&(r.colorMask=xD.map(n=>!!(n&e.colorMask))),this.glParameters=r,Tt(this.device.gl,r)}setPipeline(e){this.pipeline=e}setBindings(e,r){if(!this.pipeline)throw new Error("RenderPass.setPipeline() must be called before setBindings()");this.bindings=mi(gn(this.pipeline.shaderLayout,e)),this.bindingsPipeline=this.pipeline}setVertexArray(e){this.vertexArray=e}draw(e){let r=this.pipeline,n=this.vertexArray;if(!r)throw new Error("RenderPass.setPipeline() must be called before draw()");if(!n)throw new Error("RenderPass.setVertexArray() must be called before draw()");if(r.shaderLayout.bindings.length>0&&this.bindingsPipeline!==r)throw new Error("RenderPass.setBindings() must be called after setPipeline() before draw()");r._syncLinkStatus();let{parameters:i=r.props.parameters,topology:s=r.props.topology,vertexCount:o,indexCount:a,instanceCount:c,isInstanced:l=!1,firstVertex:f=0,transformFeedback:u,uniforms:d=r.uniforms}=e,h=N2(s),p=!!n.indexBuffer,m=n.indexBuffer?.glIndexType,g=a??o??0;if(r.linkStatus!=="success")return P.info(2,`RenderPipeline:${r.id}.draw() aborted - waiting for shader linking`)(),!1;if(!r._areTexturesRenderable(this.bindings))return P.info(2,`RenderPipeline:${r.id}.draw() aborted - textures not yet loaded`)(),!1;this.device.gl.useProgram(r.handle),n.bindBeforeRender(this);let y=u;return y&&y.begin(r.props.topology),r._applyBindings(this.bindings,{disableWarnings:r.props.disableWarnings}),r._applyUniforms(d),x2(this.device,i,this.glParameters,()=>{p&&l?this.device.gl.drawElementsInstanced(h,g,m,f,c||0):p?this.device.gl.drawElements(h,g,m,f):l?this.device.gl.drawArraysInstanced(h,f,o||0,c||0):this.device.gl.drawArrays(h,f,o||0),y&&y.end()}),n.unbindAfterRender(this),!0}drawIndirect(e,r=0){throw new Error("Indirect drawing is only supported in WebGPU")}drawIndexedIndirect(e,r=0){throw new Error("Indirect drawing is only supported in WebGPU")}beginOcclusionQuery(e){this.props.occlusionQuerySet?.beginOcclusionQuery()}endOcclusionQuery(){this.props.occlusionQuerySet?.endOcclusionQuery()}clear(){let e={...this.glParameters},r=0;this.props.clearColors&&this.props.clearColors.forEach((n,i)=>{n&&this.clearColorBuffer(i,n)}),this.props.clearColor!==!1&&this.props.clearColors===void 0&&(r|=16384,e.clearColor=this.props.clearColor),this.props.clearDepth!==!1&&(r|=256,e.clearDepth=this.props.clearDepth),this.props.clearStencil!==!1&&(r|=1024,e.clearStencil=this.props.clearStencil),r!==0&&Mt(this.device.gl,e,()=>{this.device.gl.clear(r)})}clearColorBuffer(e=0,r=[0,0,0,0]){Mt(this.device.gl,{framebuffer:this.props.framebuffer},()=>{switch(r.constructor){case Int8Array:case Int16Array:case Int32Array:this.device.gl.clearBufferiv(6144,e,r);break;case Uint8Array:case Uint8ClampedArray:case Uint16Array:case Uint32Array:this.device.gl.clearBufferuiv(6144,e,r);break;case Float32Array:this.device.gl.clearBufferfv(6144,e,r);break;default:throw new Error("clearColorBuffer: color must be typed array")}})}}});var sa,U2=b(()=>{N();D2();z2();sa=class extends Xs{device;handle=null;commandBuffer;constructor(e,r){super(e,r),this.device=e,this.commandBuffer=new df(e,{id:this.id,userData:this.userData})}destroy(){this.destroyResource()}finish(){return this.destroy(),this.commandBuffer}beginRenderPass(e={}){return new hf(this.device,this._applyTimeProfilingToPassProps(e))}beginComputePass(e={}){throw new Error("ComputePass not supported in WebGL")}copyBufferToBuffer(e){this.commandBuffer.commands.push({name:"copy-buffer-to-buffer",options:e})}copyBufferToTexture(e){this.commandBuffer.commands.push({name:"copy-buffer-to-texture",options:e})}copyTextureToBuffer(e){this.commandBuffer.commands.push({name:"copy-texture-to-buffer",options:e})}copyTextureToTexture(e){this.commandBuffer.commands.push({name:"copy-texture-to-texture",options:e})}pushDebugGroup(e){}popDebugGroup(){}insertDebugMarker(e){}resolveQuerySet(e,r,n){throw new Error("resolveQuerySet is not supported in WebGL")}writeTimestamp(e,r){e.writeTimestamp(r)}}});function $2(t){let{target:e,source:r,start:n=0,count:i=1}=t,s=r.length,o=i*s,a=0;for(let c=n;a<s;a++)e[c++]=r[a]??0;for(;a<o;)a<o-a?(e.copyWithin(n+a,n,n+a),a*=2):(e.copyWithin(n+a,n,n+o-a),a=o);return t.target}var G2=b(()=>{});function bD(t){return Array.isArray(t)?new Float32Array(t):t}function wD(t,e){if(!t||!e||t.length!==e.length||t.constructor!==e.constructor)return!1;for(let r=0;r<t.length;++r)if(t[r]!==e[r])return!1;return!0}var pf,V2=b(()=>{N();en();pm();G2();pf=class t extends Ks{get[Symbol.toStringTag](){return"VertexArray"}device;handle;attributeInfosByLocation;buffer=null;bufferValue=null;static isConstantAttributeZeroSupported(e){return Cu()==="Chrome"}constructor(e,r){super(e,r),this.device=e,this.handle=this.device.gl.createVertexArray(),this.attributeInfosByLocation=new Array(this.maxVertexAttributes).fill(null);for(let n of Object.values(no(r.shaderLayout,r.bufferLayout)))this.attributeInfosByLocation[n.location]=n}destroy(){super.destroy(),this.buffer&&this.buffer?.destroy(),this.handle&&(this.device.gl.deleteVertexArray(this.handle),this.handle=void 0)}setIndexBuffer(e){let r=e;if(r&&r.glTarget!==34963)throw new Error("Use .setBuffer()");this.device.gl.bindVertexArray(this.handle),this.device.gl.bindBuffer(34963,r?r.handle:null),this.indexBuffer=r,this.device.gl.bindVertexArray(null)}setBuffer(e,r){let n=r;if(n.glTarget===34963)throw new Error("Use .setIndexBuffer()");let{size:i,type:s,stride:o,offset:a,normalized:c,integer:l,divisor:f}=this._getAccessor(e);this.device.gl.bindVertexArray(this.handle),this.device.gl.bindBuffer(34962,n.handle),l?this.device.gl.vertexAttribIPointer(e,i,s,o,a):this.device.gl.vertexAttribPointer(e,i,s,c,o,a),this.device.gl.bindBuffer(34962,null),this.device.gl.enableVertexAttribArray(e),this.device.gl.vertexAttribDivisor(e,f||0),this.attributes[e]=n,this.device.gl.bindVertexArray(null)}setConstantWebGL(e,r){this._enable(e,!1),this.attributes[e]=r}bindBeforeRender(){this.device.gl.bindVertexArray(this.handle),this._applyConstantAttributes()}unbindAfterRender(){this.device.gl.bindVertexArray(null)}_applyConstantAttributes(){for(let e=0;e<this.maxVertexAttributes;++e){let r=this.attributes[e];ArrayBuffer.isView(r)&&this.device.setConstantAttributeWebGL(e,r)}}_getAccessor(e){let r=this.attributeInfosByLocation[e];if(!r)throw new Error(`Unknown attribute location ${e}`);let n=Ul(r.bufferDataType);return{size:r.bufferComponents,type:n,stride:r.byteStride,offset:r.byteOffset,normalized:r.normalized,integer:r.integer,divisor:r.stepMode==="instance"?1:0}}_enable(e,r=!0){let i=t.isConstantAttributeZeroSupported(this.device)||e!==0;(r||i)&&(e=Number(e),this.device.gl.bindVertexArray(this.handle),r?this.device.gl.enableVertexAttribArray(e):this.device.gl.disableVertexAttribArray(e),this.device.gl.bindVertexArray(null))}getConstantBuffer(e,r){let n=bD(r),i=n.byteLength*e,s=n.length*e;if(this.buffer&&i!==this.buffer.byteLength)throw new Error(`Buffer size is immutable, byte length ${i} !== ${this.buffer.byteLength}.`);let o=!this.buffer;if(this.buffer=this.buffer||this.device.createBuffer({byteLength:i}),o||=!wD(n,this.bufferValue),o){let a=ch(r.constructor,s);$2({target:a,source:n,start:0,count:s}),this.buffer.write(a),this.bufferValue=r}return this.buffer}}});function W2(t){return typeof t=="number"?Number.isInteger(t):/^\d+$/.test(t)}var mf,j2=b(()=>{N();gf();Lm();mf=class extends Qs{device;gl;handle;layout;buffers={};unusedBuffers={};bindOnUse=!0;_bound=!1;constructor(e,r){super(e,r),this.device=e,this.gl=e.gl,this.handle=this.props.handle||this.gl.createTransformFeedback(),this.layout=this.props.layout,r.buffers&&this.setBuffers(r.buffers),Object.seal(this)}destroy(){this.gl.deleteTransformFeedback(this.handle),super.destroy()}begin(e="point-list"){this.gl.bindTransformFeedback(36386,this.handle),this.bindOnUse&&this._bindBuffers(),this.gl.beginTransformFeedback(F2(e))}end(){this.gl.endTransformFeedback(),this.bindOnUse&&this._unbindBuffers(),this.gl.bindTransformFeedback(36386,null)}setBuffers(e){this.buffers={},this.unusedBuffers={},this.bind(()=>{for(let[r,n]of Object.entries(e))this.setBuffer(r,n)})}setBuffer(e,r){let n=this._getVaryingIndex(e),{buffer:i,byteLength:s,byteOffset:o}=this._getBufferRange(r);if(n<0){this.unusedBuffers[e]=i,P.warn(`${this.id} unusedBuffers varying buffer ${e}`)();return}this.buffers[n]={buffer:i,byteLength:s,byteOffset:o},this.bindOnUse||this._bindBuffer(n,i,o,s)}getBuffer(e){if(W2(e))return this.buffers[e]||null;let r=this._getVaryingIndex(e);return this.buffers[r]??null}bind(e=this.handle){if(typeof e!="function")return this.gl.bindTransformFeedback(36386,e),this;let r;return this._bound?r=e():(this.gl.bindTransformFeedback(36386,this.handle),this._bound=!0,r=e(),this._bound=!1,this.gl.bindTransformFeedback(36386,null)),r}unbind(){this.bind(null)}_getBufferRange(e){if(e instanceof Ct)return{buffer:e,byteOffset:0,byteLength:e.byteLength};let{buffer:r,byteOffset:n=0,byteLength:i=e.buffer.byteLength}=e;return{buffer:r,byteOffset:n,byteLength:i}}_getVaryingIndex(e){if(W2(e))return Number(e);for(let r of this.layout.varyings||[])if(e===r.name)return r.location;return-1}_bindBuffers(){for(let[e,r]of Object.entries(this.buffers)){let{buffer:n,byteLength:i,byteOffset:s}=this._getBufferRange(r);this._bindBuffer(Number(e),n,s,i)}}_unbindBuffers(){for(let e in this.buffers)this.gl.bindBufferBase(35982,Number(e),null)}_bindBuffer(e,r,n=0,i){let s=r&&r.handle;!s||i===void 0?this.gl.bindBufferBase(35982,e,s):this.gl.bindBufferRange(35982,e,s,n,i)}}});var yf,H2=b(()=>{N();yf=class extends Js{device;handle;_timestampPairs=[];_pendingReads=new Set;_occlusionQuery=null;_occlusionActive=!1;get[Symbol.toStringTag](){return"QuerySet"}constructor(e,r){if(super(e,r),this.device=e,r.type==="timestamp"){if(r.count<2)throw new Error("Timestamp QuerySet requires at least two query slots");this._timestampPairs=new Array(Math.ceil(r.count/2)).fill(null).map(()=>({activeQuery:null,completedQueries:[]})),this.handle=null}else{if(r.count>1)throw new Error("WebGL occlusion QuerySet can only have one value");let n=this.device.gl.createQuery();if(!n)throw new Error("WebGL query not supported");this.handle=n}Object.seal(this)}destroy(){if(!this.destroyed){this.handle&&this.device.gl.deleteQuery(this.handle);for(let e of this._timestampPairs){e.activeQuery&&(this._cancelPendingQuery(e.activeQuery),this.device.gl.deleteQuery(e.activeQuery.handle));for(let r of e.completedQueries)this._cancelPendingQuery(r),this.device.gl.deleteQuery(r.handle)}this._occlusionQuery&&(this._cancelPendingQuery(this._occlusionQuery),this.device.gl.deleteQuery(this._occlusionQuery.handle));for(let e of Array.from(this._pendingReads))this._cancelPendingQuery(e);this.destroyResource()}}isResultAvailable(e){return this.props.type==="timestamp"?e===void 0?this._timestampPairs.some((r,n)=>this._isTimestampPairAvailable(n)):this._isTimestampPairAvailable(this._getTimestampPairIndex(e)):this._occlusionQuery?this._pollQueryAvailability(this._occlusionQuery):!1}async readResults(e){let r=e?.firstQuery||0,n=e?.queryCount||this.props.count-r;if(this._validateRange(r,n),this.props.type==="timestamp"){let i=new Array(n).fill(0n),s=Math.floor(r/2),o=Math.floor((r+n-1)/2);for(let a=s;a<=o;a++){let c=await this._consumeTimestampPairResult(a),l=a*2,f=l+1;l>=r&&l<r+n&&(i[l-r]=0n),f>=r&&f<r+n&&(i[f-r]=c)}return i}if(!this._occlusionQuery)throw new Error("Occlusion query has not been started");return[await this._consumeQueryResult(this._occlusionQuery)]}async readTimestampDuration(e,r){if(this.props.type!=="timestamp")throw new Error("Timestamp durations require a timestamp QuerySet");if(e<0||r>=this.props.count||r<=e)throw new Error("Timestamp duration range is out of bounds");if(e%2!==0||r!==e+1)throw new Error("WebGL timestamp durations require adjacent even/odd query indices");let n=await this._consumeTimestampPairResult(this._getTimestampPairIndex(e));return Number(n)/1e6}beginOcclusionQuery(){if(this.props.type!=="occlusion")throw new Error("Occlusion queries require an occlusion QuerySet");if(!this.handle)throw new Error("WebGL occlusion query is not available");if(this._occlusionActive)throw new Error("Occlusion query is already active");this.device.gl.beginQuery(35887,this.handle),this._occlusionQuery={handle:this.handle,promise:null,result:null,disjoint:!1,cancelled:!1,pollRequestId:null,resolve:null,reject:null},this._occlusionActive=!0}endOcclusionQuery(){if(!this._occlusionActive)throw new Error("Occlusion query is not active");this.device.gl.endQuery(35887),this._occlusionActive=!1}writeTimestamp(e){if(this.props.type!=="timestamp")throw new Error("Timestamp writes require a timestamp QuerySet");let r=this._getTimestampPairIndex(e),n=this._timestampPairs[r];if(e%2===0){if(n.activeQuery)throw new Error("Timestamp query pair is already active");let i=this.device.gl.createQuery();if(!i)throw new Error("WebGL query not supported");let s={handle:i,promise:null,result:null,disjoint:!1,cancelled:!1,pollRequestId:null,resolve:null,reject:null};this.device.gl.beginQuery(35007,i),n.activeQuery=s;return}if(!n.activeQuery)throw new Error("Timestamp query pair was ended before it was started");this.device.gl.endQuery(35007),n.completedQueries.push(n.activeQuery),n.activeQuery=null}_validateRange(e,r){if(e<0||r<0||e+r>this.props.count)throw new Error("Query read range is out of bounds")}_getTimestampPairIndex(e){if(e<0||e>=this.props.count)throw new Error("Query index is out of bounds");return Math.floor(e/2)}_isTimestampPairAvailable(e){let r=this._timestampPairs[e];return!r||r.completedQueries.length===0?!1:this._pollQueryAvailability(r.completedQueries[0])}_pollQueryAvailability(e){if(e.cancelled||this.destroyed)return e.result=0n,!0;if(e.result!==null||e.disjoint)return!0;if(!this.device.gl.getQueryParameter(e.handle,34919))return!1;let n=!!this.device.gl.getParameter(36795);return e.disjoint=n,e.result=n?0n:BigInt(this.device.gl.getQueryParameter(e.handle,34918)),!0}async _consumeTimestampPairResult(e){let r=this._timestampPairs[e];if(!r||r.completedQueries.length===0)throw new Error("Timestamp query pair has no completed result");let n=r.completedQueries.shift();try{return await this._consumeQueryResult(n)}finally{this.device.gl.deleteQuery(n.handle)}}_consumeQueryResult(e){return e.promise||(this._pendingReads.add(e),e.promise=new Promise((r,n)=>{e.resolve=r,e.reject=n;let i=()=>{if(e.pollRequestId=null,e.cancelled||this.destroyed){this._pendingReads.delete(e),e.promise=null,e.resolve=null,e.reject=null,r(0n);return}if(!this._pollQueryAvailability(e)){e.pollRequestId=this._requestAnimationFrame(i);return}this._pendingReads.delete(e),e.promise=null,e.resolve=null,e.reject=null,e.disjoint?n(new Error("GPU timestamp query was invalidated by a disjoint event")):r(e.result||0n)};i()})),e.promise}_cancelPendingQuery(e){if(this._pendingReads.delete(e),e.cancelled=!0,e.pollRequestId!==null&&(this._cancelAnimationFrame(e.pollRequestId),e.pollRequestId=null),e.resolve){let r=e.resolve;e.promise=null,e.resolve=null,e.reject=null,r(0n)}}_requestAnimationFrame(e){return requestAnimationFrame(e)}_cancelAnimationFrame(e){cancelAnimationFrame(e)}}});var _f,Y2=b(()=>{N();_f=class extends eo{device;gl;handle;signaled;_signaled=!1;constructor(e,r={}){super(e,{}),this.device=e,this.gl=e.gl;let n=this.props.handle||this.gl.fenceSync(this.gl.SYNC_GPU_COMMANDS_COMPLETE,0);if(!n)throw new Error("Failed to create WebGL fence");this.handle=n,this.signaled=new Promise(i=>{let s=()=>{let o=this.gl.clientWaitSync(this.handle,0,0);o===this.gl.ALREADY_SIGNALED||o===this.gl.CONDITION_SATISFIED?(this._signaled=!0,i()):setTimeout(s,1)};s()})}isSignaled(){if(this._signaled)return!0;let e=this.gl.getSyncParameter(this.handle,this.gl.SYNC_STATUS);return this._signaled=e===this.gl.SIGNALED,this._signaled}destroy(){this.destroyed||this.gl.deleteSync(this.handle)}}});function Cm(t){switch(t){case 6406:case 33326:case 6403:case 36244:return 1;case 33339:case 33340:case 33328:case 33320:case 33319:return 2;case 6407:case 36248:case 34837:return 3;case 6408:case 36249:case 34836:return 4;default:return 0}}function q2(t){switch(t){case 5121:return 1;case 33635:case 32819:case 32820:return 2;case 5126:return 4;default:return 0}}var X2=b(()=>{});function Z2(t,e){let{sourceX:r=0,sourceY:n=0,sourceAttachment:i=0}=e||{},{target:s=null,sourceWidth:o,sourceHeight:a,sourceDepth:c,sourceFormat:l,sourceType:f}=e||{},{framebuffer:u,deleteFramebuffer:d}=Q2(t),{gl:h,handle:p}=u;o||=u.width,a||=u.height;let m=u.colorAttachments[i]?.texture;if(!m)throw new Error(`Invalid framebuffer attachment ${i}`);c=m?.depth||1,l||=m?.glFormat||6408,f||=m?.glType||5121,s=ED(s,f,l,o,a,c);let g=we.getDataType(s);f=f||E2(g);let y=h.bindFramebuffer(36160,p);return h.readBuffer(36064+i),h.readPixels(r,n,o,a,l,f,s),h.readBuffer(36064),h.bindFramebuffer(36160,y||null),d&&u.destroy(),s}function K2(t,e){let{target:r,sourceX:n=0,sourceY:i=0,sourceFormat:s=6408,targetByteOffset:o=0}=e||{},{sourceWidth:a,sourceHeight:c,sourceType:l}=e||{},{framebuffer:f,deleteFramebuffer:u}=Q2(t);a=a||f.width,c=c||f.height;let d=f;l=l||5121;let h=r;if(!h){let m=Cm(s),g=q2(l),y=o+a*c*m*g;h=d.device.createBuffer({byteLength:y})}let p=t.device.createCommandEncoder();return p.copyTextureToBuffer({sourceTexture:t,width:a,height:c,origin:[n,i],destinationBuffer:h,byteOffset:o}),p.destroy(),u&&f.destroy(),h}function Q2(t){return t instanceof hn?{framebuffer:t,deleteFramebuffer:!1}:{framebuffer:vD(t),deleteFramebuffer:!0}}function vD(t,e){let{device:r,width:n,height:i,id:s}=t;return r.createFramebuffer({...e,id:`framebuffer-for-${s}`,width:n,height:i,colorAttachments:[t]})}function ED(t,e,r,n,i,s){if(t)return t;e||=5121;let o=sf(e),a=we.getTypedArrayConstructor(o),c=Cm(r);return new a(n*i*c)}var J2=b(()=>{N();lf();X2();Am()});function eE(t){let e=new Map;for(let r in t){let n=t[r];if(r<"a"){let i=e.get(n);e.set(n,i?`${i}, GL.${r}`:`GL.${r}`)}}return e}var tE=b(()=>{});var Mm={};ir(Mm,{WebGLDevice:()=>Ur});function SD(t,e,r){switch(r.length){case 1:t.gl.vertexAttrib1fv(e,r);break;case 2:t.gl.vertexAttrib2fv(e,r);break;case 3:t.gl.vertexAttrib3fv(e,r);break;case 4:t.gl.vertexAttrib4fv(e,r);break;default:}}function PD(t,e,r){t.gl.vertexAttribI4iv(e,r)}function TD(t,e,r){t.gl.vertexAttribI4uiv(e,r)}function AD(t,e){if(!t||!e||t.length!==e.length||t.constructor!==e.constructor)return!1;for(let r=0;r<t.length;++r)if(t[r]!==e[r])return!1;return!0}var Ur,xf=b(()=>{N();dm();Qv();hm();t2();l2();f2();u2();d2();am();Qi();p2();Zl();y2();b2();of();Yl();R2();O2();U2();V2();j2();H2();Y2();J2();Xi();nf();ea();tE();Ur=class t extends cr{static getDeviceFromContext(e){return e?e.luma?.device??null:null}type="webgl";handle;features;limits;info;canvasContext;preferredColorFormat="rgba8unorm";preferredDepthFormat="depth24plus";commandEncoder;lost;_resolveContextLost;_isLost=!1;gl;_glKeyByValue=null;_constants;extensions;_polyfilled=!1;spectorJS;get[Symbol.toStringTag](){return"WebGLDevice"}toString(){return`${this[Symbol.toStringTag]}(${this.id})`}isVertexFormatSupported(e){return e!=="unorm8x4-bgra"}constructor(e){super({...e,id:e.id||h2("webgl-device")});let r=cr._getCanvasContextProps(e);if(!r)throw new Error("WebGLDevice requires props.createCanvasContext to be set");let n=r.canvas?.gl??null,i=t.getDeviceFromContext(n);if(i)throw new Error(`WebGL context already attached to device ${i.id}`);this.canvasContext=new ql(this,r),this.lost=new Promise(f=>{this._resolveContextLost=f});let s={...e.webgl};r.alphaMode==="premultiplied"&&(s.premultipliedAlpha=!0),e.powerPreference!==void 0&&(s.powerPreference=e.powerPreference),e.failIfMajorPerformanceCaveat!==void 0&&(s.failIfMajorPerformanceCaveat=e.failIfMajorPerformanceCaveat);let a=this.props._handle||Kv(this.canvasContext.canvas,{onContextLost:f=>this._resolveContextLost?.({reason:"destroyed",message:"Entered sleep mode, or too many apps or browser tabs are using the GPU."}),onContextRestored:f=>{console.log("WebGL context restored")}},s);if(!a)throw new Error("WebGL context creation failed");if(i=t.getDeviceFromContext(a),i){if(e._reuseDevices)return P.log(1,`Not creating a new Device, instead returning a reference to Device ${i.id} already attached to WebGL context`,i)(),this.canvasContext.destroy(),i._reused=!0,i;throw new Error(`WebGL context already attached to device ${i.id}`)}this.handle=a,this.gl=a,this.spectorJS=Uv({...this.props,gl:this.handle});let c=Jo(this.handle);c.device=this,c.extensions||(c.extensions={}),this.extensions=c.extensions,this.info=Jv(this.gl,this.extensions),this.limits=new Hl(this.gl),this.features=new jl(this.gl,this.extensions,this.props._disabledFeatures),this.props._initializeFeatures&&this.features.initializeFeatures(),new At(this.gl,{log:(...f)=>P.log(1,...f)()}).trackState(this.gl,{copyState:!1}),(e.debug||e.debugWebGL)&&(this.gl=Fv(this.gl,{debugWebGL:!0,traceWebGL:e.debugWebGL}),P.warn("WebGL debug mode activated. Performance reduced.")()),e.debugWebGL&&(P.level=Math.max(P.level,1)),this.commandEncoder=new sa(this,{id:`${this}-command-encoder`}),this.canvasContext._startObservers()}destroy(){if(!this.props._reuseDevices&&!this._reused){this._isLost=!0,this.commandEncoder?.destroy();let e=Jo(this.handle);e.device=null}}get isLost(){return this._isLost||this.gl.isContextLost()}createCanvasContext(e){throw new Error("WebGL only supports a single canvas")}createPresentationContext(e){return new Xl(this,e||{})}createBuffer(e){let r=this._normalizeBufferProps(e);return new Ct(this,r)}createTexture(e){return new tr(this,e)}createExternalTexture(e){throw new Error("ExternalTexture is not available on WebGL")}createSampler(e){return new rf(this,e)}createShader(e){return new Ql(this,e)}createFramebuffer(e){return new Jt(this,e)}createVertexArray(e){return new pf(this,e)}createTransformFeedback(e){return new mf(this,e)}createQuerySet(e){return new yf(this,e)}createFence(){return new _f(this)}createRenderPipeline(e){return new ff(this,e)}_createSharedRenderPipelineWebGL(e){return new uf(this,e)}createComputePipeline(e){throw new Error("ComputePipeline not supported in WebGL")}createRenderBundleEncoder(e){throw new Error("Render bundles are only supported in WebGPU")}createCommandEncoder(e={}){return new sa(this,e)}submit(e){let r=null;e||({submittedCommandEncoder:r,commandBuffer:e}=this._finalizeDefaultCommandEncoderForSubmit());try{e._executeCommands(),r&&r.resolveTimeProfilingQuerySet().then(()=>{this.commandEncoder._gpuTimeMs=r._gpuTimeMs}).catch(()=>{})}finally{e.destroy()}}writeBufferViaCommandEncoder(e,r,n,i=0){r.write(n,i)}_finalizeDefaultCommandEncoderForSubmit(){let e=this.commandEncoder,r=e.finish();return this.commandEncoder.destroy(),this.commandEncoder=this.createCommandEncoder({id:e.props.id,timeProfilingQuerySet:e.getTimeProfilingQuerySet()}),{submittedCommandEncoder:e,commandBuffer:r}}readPixelsToArrayWebGL(e,r){return Z2(e,r)}readPixelsToBufferWebGL(e,r){return K2(e,r)}setParametersWebGL(e){Tt(this.gl,e)}getParametersWebGL(e){return zl(this.gl,e)}withParametersWebGL(e,r){return Mt(this.gl,e,r)}resetWebGL(){P.warn("WebGLDevice.resetWebGL is deprecated, use only for debugging")(),Hv(this.gl)}_getDeviceSpecificTextureFormatCapabilities(e){return o2(this.gl,e,this.extensions)}loseDevice(){let e=!1,n=this.getExtension("WEBGL_lose_context").WEBGL_lose_context;return n&&(e=!0,n.loseContext()),this._resolveContextLost?.({reason:"destroyed",message:"Application triggered context loss"}),e}pushState(){At.get(this.gl).push()}popState(){At.get(this.gl).pop()}getGLKey(e,r){let n=this._getGLKeyByValue().get(Number(e));return n||(r?.emptyIfUnknown?"":String(e))}getGLKeys(e){let r={emptyIfUnknown:!0};return Object.entries(e).reduce((n,[i,s])=>(n[`${i}:${this.getGLKey(i,r)}`]=`${s}:${this.getGLKey(s,r)}`,n),{})}_getGLKeyByValue(){return this._glKeyByValue??=eE(this.gl),this._glKeyByValue}setConstantAttributeWebGL(e,r){let n=this.limits.maxVertexAttributes;this._constants=this._constants||new Array(n).fill(null);let i=this._constants[e];switch(i&&AD(i,r)&&P.info(1,`setConstantAttributeWebGL(${e}) could have been skipped, value unchanged`)(),this._constants[e]=r,r.constructor){case Float32Array:SD(this,e,r);break;case Int32Array:PD(this,e,r);break;case Uint32Array:TD(this,e,r);break;default:throw new Error("constant")}}getExtension(e){return Lt(this.gl,e,this.extensions),this.extensions}_setWebGLDebugMetadata(e,r,n){e.luma=r;let i={props:n.spector,id:n.spector.id};e.__SPECTOR_Metadata=i}}});function LD(t){return typeof WebGL2RenderingContext<"u"&&t instanceof WebGL2RenderingContext?!0:!!(t&&typeof t.createVertexArray=="function")}function rE(t){return{...t,debug:t.debug??cr.defaultProps.debug,debugWebGL:t.debugWebGL??cr.defaultProps.debugWebGL,debugSpectorJS:t.debugSpectorJS??!!P.get("debug-spectorjs")}}async function nE(t){let e=[];(t.debugWebGL||t.debug)&&e.push(Nv()),t.debugSpectorJS&&e.push(zv(t));let r=await Promise.allSettled(e);for(let n of r)n.status==="rejected"&&P.error(`Failed to initialize debug libraries ${n.reason}`)()}var oa,Im,aa,iE=b(()=>{N();Bv();am();oa=1,Im=class extends zs{type="webgl";enforceWebGL2(e){Ov(e)}isSupported(){return typeof WebGL2RenderingContext<"u"}isDeviceHandle(e){return typeof WebGL2RenderingContext<"u"&&e instanceof WebGL2RenderingContext?!0:(typeof WebGLRenderingContext<"u"&&e instanceof WebGLRenderingContext&&P.warn("WebGL1 is not supported",e)(),!1)}async attach(e,r={}){let{WebGLDevice:n}=await Promise.resolve().then(()=>(xf(),Mm));if(e instanceof n)return e;let i=n.getDeviceFromContext(e);if(i)return i;if(!LD(e))throw new Error("Invalid WebGL2RenderingContext");r=rE(r),await nE(r);let s=r.createCanvasContext===!0?{}:r.createCanvasContext;return new n({...r,_handle:e,createCanvasContext:{canvas:e.canvas,autoResize:!1,...s}})}async create(e={}){let{WebGLDevice:r}=await Promise.resolve().then(()=>(xf(),Mm));e=rE(e),await nE(e);try{let n=new r(e);P.groupCollapsed(oa,`WebGLDevice ${n.id} created`)();let i=`${n._reused?"Reusing":"Created"} device with WebGL2 ${n.props.debug?"debug ":""}context: ${n.info.vendor}, ${n.info.renderer} for canvas: ${n.canvasContext.id}`;return P.probe(oa,i)(),P.table(oa,n.info)(),n}finally{P.groupEnd(oa)(),P.info(oa,"%cWebGL call tracing: luma.log.set('debug-webgl') ","color: white; background: blue; padding: 2px 6px; border-radius: 3px;")()}}};aa=new Im});var gf=b(()=>{iE();xf();Zl()});function vf(t){return pE.test(t)}function Ef(t){return mE.test(t)}function gE(t){let e=pE.exec(t),r=mE.exec(t),n=e?.[1]??r?.[1]??t;try{re.getVertexFormatInfo(n)}catch{throw new Error(`Unsupported GPUVector format ${t}`)}return n}function gr(t){let e=gE(t),r=vf(t),n=Ef(t),i=re.getVertexFormatInfo(e),s=i.type,o=i.normalized,a=kD(s,o);return{format:t,elementFormat:e,vertexList:r,valueList:n,type:s,signedDataType:OD(e,s),primitiveType:a,components:i.components,byteLength:i.byteLength,integer:i.integer,signed:i.signed,normalized:o,...i.webglOnly?{webglOnly:!0}:{}}}function kD(t,e){if(e)return"f32";switch(t){case"float32":return"f32";case"float16":return"f16";case"uint8":case"uint16":case"uint32":return"u32";case"sint8":case"sint16":case"sint32":return"i32";default:throw new Error(`Unsupported GPUVector component type ${t}`)}}function OD(t,e){if(t==="unorm10-10-10-2")return"uint32";switch(e){case"unorm8":return"uint8";case"snorm8":return"sint8";case"unorm16":return"uint16";case"snorm16":return"sint16";default:return e}}var pE,mE,Sf=b(()=>{N();pE=/^vertex-list<([^<>]+)>$/,mE=/^value-list<([^<>]+)>$/});function km(t,e){if(!Number.isSafeInteger(t)||t<0)throw new Error(`${e} must be a non-negative safe integer`)}var yr,Om=b(()=>{N();yr=class{buffer;format;length;byteOffset;byteStride;constructor(e){let r=re.getVertexFormatInfo(e.format).byteLength,n=e.byteOffset??0,i=e.byteStride??r;if(km(e.length,"GPUDataView length"),km(n,"GPUDataView byteOffset"),km(i,"GPUDataView byteStride"),i<r)throw new Error(`GPUDataView byteStride ${i} is smaller than ${e.format} byte length ${r}`);let s=e.length===0?0:(e.length-1)*i+r,o=n+s;if(!Number.isSafeInteger(s)||!Number.isSafeInteger(o))throw new Error("GPUDataView byte range must use safe integers");if(o>e.buffer.byteLength)throw new Error("GPUDataView exceeds its backing buffer byte length");this.buffer=e.buffer,this.format=e.format,this.length=e.length,this.byteOffset=n,this.byteStride=i}get elementByteLength(){return re.getVertexFormatInfo(this.format).byteLength}get byteLength(){return this.length===0?0:(this.length-1)*this.byteStride+this.elementByteLength}}});function Tf(t){return!!(t&&typeof t=="object"&&t.type==="struct")}function _E(t,e){let r=Object.entries(t);if(r.length===0)throw new Error("GPUData struct format must declare at least one field");return e==="packed"?BD(r):DD(r)}function BD(t){let e=[],r=0,n=0;for(let[i,s]of t){let o=re.getVertexFormatInfo(s);if(o.webglOnly)throw new Error(`Packed GPUData struct field "${i}" uses WebGL-only format ${s}`);r=yE(r,Math.min(4,o.byteLength)),e.push([i,Object.freeze({format:s,byteOffset:r,byteLength:o.byteLength})]),r+=o.byteLength,n+=o.components}return Object.freeze({type:"struct",layout:"packed",fields:Object.freeze(Object.fromEntries(e)),components:n,byteStride:yE(r,4),rowByteLength:r})}function DD(t){let e=Object.fromEntries(t.map(([o,a])=>[o,ND(a)])),r=yn(e,{layout:"wgsl-storage"}),n=[],i=0,s=0;for(let[o,a]of t){let c=re.getVertexFormatInfo(a),l=r.fields[o].offset*4;n.push([o,Object.freeze({format:a,byteOffset:l,byteLength:c.byteLength})]),i=Math.max(i,l+c.byteLength),s+=c.components}return Object.freeze({type:"struct",layout:"wgsl-storage",fields:Object.freeze(Object.fromEntries(n)),components:s,byteStride:r.byteLength,rowByteLength:i})}function ND(t){let e=re.getVertexFormatInfo(t);switch(e.type){case"float32":return Pf("f32",e.components);case"sint32":return Pf("i32",e.components);case"uint32":return Pf("u32",e.components);default:{let r=Math.ceil(e.byteLength/4);return Pf("u32",r)}}}function Pf(t,e){return e===1?t:`vec${e}<${t}>`}function yE(t,e){return Math.ceil(t/e)*e}var xE=b(()=>{N()});var Bm,Dm,Ji,Nm=b(()=>{Om();xE();Sf();Bm=class{buffer;ownsDataBuffer;constructor(e,r){this.buffer=e,this.ownsDataBuffer=r}get ownsBuffer(){return this.ownsDataBuffer}transferBufferOwnership(e){if(e.buffer!==this.buffer)throw new Error("GPUData ownership can only be transferred to the same buffer");e.ownsDataBuffer=this.ownsDataBuffer,this.ownsDataBuffer=!1}destroy(){this.ownsDataBuffer&&(this.buffer.destroy(),this.ownsDataBuffer=!1)}},Dm=class extends Bm{dataType;format;length;valueLength;stride;byteOffset;byteStride;rowByteLength;readbackMetadata;valueOffsets;nullBitmap;valueByteLength;constructor(e){let{buffer:r,format:n,length:i,valueLength:s,stride:o,byteOffset:a=0,byteStride:c,rowByteLength:l,ownsBuffer:f=!1,readbackMetadata:u,valueOffsets:d,nullBitmap:h,valueByteLength:p,dataType:m}=e;super(r,f);let g;n?typeof n=="string"?g=n:g=_E(n,e.layout??"wgsl-storage"):g=void 0;let y=Tf(g)?g:void 0,_=typeof g=="string"?gr(g):void 0;if(this.dataType=m,this.format=g,this.length=i,this.valueLength=s??i,this.stride=o??_?.components??y?.components??c??l??1,this.byteOffset=a,this.rowByteLength=l??y?.rowByteLength??_?.byteLength??c??this.stride,this.byteStride=c??y?.byteStride??this.rowByteLength,y){if(this.rowByteLength<y.rowByteLength)throw new Error(`GPUData rowByteLength ${this.rowByteLength} is smaller than struct format row byte length ${y.rowByteLength}`);if(this.byteStride<Math.max(y.byteStride,this.rowByteLength))throw new Error(`GPUData byteStride ${this.byteStride} is smaller than its struct row layout`)}this.readbackMetadata=u,this.valueOffsets=d,this.nullBitmap=h,this.valueByteLength=p}getChild(e){if(!Tf(this.format))return null;let r=this.format.fields[e];return r?new yr({buffer:this.buffer,format:r.format,length:this.length,byteOffset:this.byteOffset+r.byteOffset,byteStride:this.byteStride}):null}getChildAt(e){if(!Tf(this.format))return null;let r=Object.values(this.format.fields)[e];return r?new yr({buffer:this.buffer,format:r.format,length:this.length,byteOffset:this.byteOffset+r.byteOffset,byteStride:this.byteStride}):null}},Ji=Dm});function bE(t){let e=t.format?gr(t.format):void 0,r=t.rowByteLength??t.byteStride??e?.byteLength;if(r===void 0)throw new Error("GPUVector requires format or explicit rowByteLength");return{stride:t.stride??e?.components??1,byteStride:t.byteStride??r,rowByteLength:r}}function FD(t){return t[0]?.format}function zD(t,e){if(t.find(n=>n.format!==e))throw new Error("GPUVector data chunks must share the declared format")}var rr,wE=b(()=>{Nm();Sf();rr=class{name;dataType;format;length;valueLength;stride;byteOffset;byteStride;rowByteLength;bufferLayout;data=[];device;bufferProps;isAppendable=!1;ownsDataChunks=!0;ownedVectors=[];appendableByteLength=0;constructor(e){switch(e.type){case"buffer":{let{name:r,buffer:n,format:i,length:s,valueLength:o=s,byteOffset:a=0,ownsBuffer:c=!1}=e,{stride:l,byteStride:f,rowByteLength:u}=bE(e);this.name=r,this.dataType=e.dataType,this.format=i,this.length=s,this.valueLength=o,this.stride=l,this.byteOffset=a,this.byteStride=f,this.rowByteLength=u,this.data.push(new Ji({buffer:n,format:i,length:s,valueLength:o,stride:l,byteOffset:a,byteStride:f,rowByteLength:u,ownsBuffer:c,dataType:e.dataType}));return}case"interleaved":{let{name:r,buffer:n,format:i,length:s,valueLength:o=s,byteOffset:a=0,byteStride:c,attributes:l,ownsBuffer:f=!1}=e;this.name=r,this.dataType=e.dataType,this.format=i,this.length=s,this.valueLength=o,this.stride=c,this.byteOffset=a,this.byteStride=c,this.rowByteLength=c,this.bufferLayout={name:r,byteStride:c,attributes:l},this.data.push(new Ji({buffer:n,format:i,length:s,valueLength:o,stride:c,byteOffset:a,byteStride:c,rowByteLength:c,ownsBuffer:f,dataType:e.dataType}));return}case"data":{let r=e.format??FD(e.data),n=r?gr(r):void 0,{name:i,data:s,stride:o=s[0]?.stride??n?.components??1,valueLength:a=s.reduce((d,h)=>d+h.valueLength,0),byteStride:c=s[0]?.byteStride??n?.byteLength,rowByteLength:l=s[0]?.rowByteLength??n?.byteLength,bufferLayout:f,ownsData:u=!1}=e;if(c===void 0||l===void 0)throw new Error("GPUVector requires format or explicit byte layout metadata");r&&zD(s,r),this.name=i,this.dataType=e.dataType,this.format=r,this.length=s.reduce((d,h)=>d+h.length,0),this.valueLength=a,this.stride=o,this.byteOffset=s.length===1?s[0].byteOffset:0,this.byteStride=c,this.rowByteLength=l,this.bufferLayout=f,this.ownsDataChunks=u,this.data.push(...s);return}case"appendable":{let{name:r,device:n,format:i,valueLength:s=0,bufferProps:o}=e,{stride:a,byteStride:c,rowByteLength:l}=bE(e);this.name=r,this.dataType=e.dataType,this.format=i,this.length=0,this.valueLength=s,this.stride=a,this.byteOffset=0,this.byteStride=c,this.rowByteLength=l,this.device=n,this.bufferProps=o,this.isAppendable=!0;return}}}get ownsBuffer(){return this.ownsDataChunks&&this.data.some(e=>e.ownsBuffer)||this.ownedVectors.some(e=>e.ownsBuffer)}get capacityRows(){return this.isAppendable?this.length:void 0}get appendedByteLength(){return this.appendableByteLength}addData(e){if(this.format&&e.format!==this.format)throw new Error("GPUVector.addData() requires matching formats");if(e.byteStride!==this.byteStride)throw new Error("GPUVector.addData() requires matching byteStride");if(e.rowByteLength!==this.rowByteLength)throw new Error("GPUVector.addData() requires matching rowByteLength");return this.data.push(e),this.length+=e.length,this.valueLength+=e.valueLength,this}appendDataChunk(e,r=this.appendableByteLength+e.buffer.byteLength){if(!this.isAppendable)throw new Error("GPUVector.appendDataChunk() requires appendable vector storage");if(this.format&&e.format!==this.format)throw new Error("GPUVector.appendDataChunk() requires matching formats");if(e.byteStride!==this.byteStride||e.rowByteLength!==this.rowByteLength)throw new Error("GPUVector.appendDataChunk() requires matching byte layout metadata");return this.data.push(e),this.length+=e.length,this.valueLength+=e.valueLength,this.appendableByteLength=r,this}resetLastBatch(){if(!this.isAppendable)throw new Error("GPUVector.resetLastBatch() requires appendable vector storage");for(let e of this.data.splice(0))e.destroy();return this.length=0,this.valueLength=0,this.appendableByteLength=0,this}retainOwnedVectors(e){return this.ownedVectors.push(...e),this}transferBufferOwnership(e){let r=this.data[0],n=e.data[0];if(!r||!n||r.buffer!==n.buffer)throw new Error("GPUVector ownership can only be transferred to the same buffer");r.transferBufferOwnership(n)}destroy(){if(this.ownsDataChunks)for(let e of this.data)e.destroy();for(let e of this.ownedVectors.splice(0))e.destroy()}}});var Fm=b(()=>{Nm();Om();wE();Sf()});var zm,Ue,ha=b(()=>{N();zm=class{poolSize=20;bufferPools;constructor(){this.bufferPools=new Map}createOrReuse(e,r){if(r>e.limits.maxBufferSize)throw new Error(`Buffer pool cannot allocate ${r} bytes: device.limits.maxBufferSize is ${e.limits.maxBufferSize}`);let n=this.bufferPools.get(e),i=n?n.findIndex(o=>o.byteLength>=r):-1;if(i<0)return e.createBuffer({usage:U.VERTEX|U.STORAGE|U.COPY_DST|U.COPY_SRC,byteLength:r});let[s]=n.splice(i,1);return s}recycle(e){let r=e.device;this.bufferPools.has(r)||this.bufferPools.set(r,[]);let n=this.bufferPools.get(r),i=n.findIndex(s=>s.byteLength>e.byteLength);i<0?n.push(e):n.splice(i,0,e),this.purge()}purge(){for(let[e,r]of this.bufferPools){let n=e.isLost?0:this.poolSize;for(;r.length>n;)r.shift().destroy();r.length===0&&this.bufferPools.delete(e)}}},Ue=new zm});function UD(t,e,r,n){let{ValueType:i,size:s,offset:o,stride:a}=t,c=a/i.BYTES_PER_ELEMENT,l=o/i.BYTES_PER_ELEMENT,f=n-r;if(c===s){let d=l+r*c;return e.subarray(d,d+f*s)}let u=new i(f*s);for(let d=0;d<f;d++){let h=l+(r+d)*c;u.set(e.subarray(h,h+s),d*s)}return u}function Lf(t){if(t instanceof K)return t;if(typeof t=="number"||Array.isArray(t))return K.fromConstant(t);if(t instanceof Ji)return K.fromGPUData(t);if(t instanceof yr)return K.fromGPUDataView(t);throw new Error("getGPUDataEvaluator() requires GPUDataEvaluator, GPUData, GPUDataView, number, or number[]")}function $D(t){if(!t.format)throw new Error("GPUDataEvaluator.fromGPUData() requires GPUData format metadata");if(vf(t.format)||Ef(t.format))throw new Error("GPUDataEvaluator.fromGPUData() does not support variable-length input");let r=gr(t.format).byteLength;if(t.rowByteLength!==r)throw new Error(`GPUDataEvaluator.fromGPUData() requires rowByteLength ${r} for GPUData`)}function vE(t){let e=gr(t.format),r=cn(e.signedDataType),n=r.BYTES_PER_ELEMENT*e.components;if(e.byteLength!==n)throw new Error(`GPUDataEvaluator does not support packed vertex format ${t.format}: ${e.byteLength} physical bytes cannot expose ${e.components} ${e.signedDataType} components`);if(t.byteOffset%r.BYTES_PER_ELEMENT!==0||t.byteStride%r.BYTES_PER_ELEMENT!==0)throw new Error(`GPUDataEvaluator requires ${t.format} offset and stride aligned to ${r.BYTES_PER_ELEMENT} bytes`);return{type:e.signedDataType,size:e.components,offset:t.byteOffset,stride:t.byteStride,normalized:e.normalized,length:t.length,format:t.format}}function Af(t){let e=GD(t).buffer;return e instanceof Te?e.buffer:e}function GD(t){let[e,...r]=t.data;if(!e||r.length>0)throw new Error(`GPUDataEvaluator requires exactly one GPUData chunk for "${t.name}"`);return e}function VD(t){let e=[];return EE(t,e,{byteOffset:0}),e}function EE(t,e,r){let n=t.source;if(n&&!(n instanceof K)&&n.name==="interleave"){for(let i of Object.values(n.inputs))i instanceof K&&EE(i,e,r);return}e.push({attribute:t.id??t.toString(),format:SE(t.type,t.size,t.normalized),byteOffset:r.byteOffset}),r.byteOffset+=t.ValueType.BYTES_PER_ELEMENT*t.size}function SE(t,e,r=!1){if(e<1||e>4)throw new Error(`Cannot synthesize a GPUVector vertex format with ${e} components`);let n=t;if(r)switch(t){case"uint8":n="unorm8";break;case"sint8":n="snorm8";break;case"uint16":n="unorm16";break;case"sint16":n="snorm16";break;case"float32":n="float32";break;default:throw new Error(`Unsupported normalized vertex format for ${t}`)}return(n==="uint8"||n==="sint8"||n==="uint16"||n==="sint16"||n==="unorm8"||n==="snorm8"||n==="unorm16"||n==="snorm16")&&e===3?`${n}x3-webgl`:`${n}${e===1?"":`x${e}`}`}function WD(t,e,r=!1){return e>=1&&e<=4?SE(t,e,r):void 0}var K,_r=b(()=>{N();oe();Fm();ha();K=class t{static get bufferPoolSize(){return Ue.poolSize}static set bufferPoolSize(e){if(!Number.isSafeInteger(e)||e<0)throw new Error("GPUDataEvaluator.bufferPoolSize must be a non-negative safe integer");Ue.poolSize=e,Ue.purge()}type;size;get offset(){return this._offset}get stride(){return this._stride}normalized;isConstant;length;get byteLength(){return this._byteLength}ValueType;source=null;format;_id;_destroyed=!1;_value;_offset;_stride;_byteLength;_gpuVector;_bufferOwnership="owned";_targetBuffer;static fromArray(e,{type:r,size:n=1,offset:i=0,stride:s=0,normalized:o=!1}){let a=r,c;if(Array.isArray(e)){a=a||"float32";let f=cn(a);c=new f(e)}else e instanceof Float64Array?(a="uint32",n*=2,i*=2,s*=2,c=new Uint32Array(e.buffer,e.byteOffset,e.byteLength/4)):(a=a||Lc(e),c=e);let l=`<${a} * ${n}>`;return new t({id:l,type:a,size:n,offset:i,stride:s,normalized:o,value:c})}static fromConstant(e,r="float32"){let n=cn(r),i;return Array.isArray(e)?i=`[${e.join(",")}]`:(i=String(e),e=[e]),new t({id:i,isConstant:!0,type:r,size:e.length,value:new n(e)})}static fromGPUData(e,r={}){$D(e);let n=new yr({buffer:e.buffer,format:e.format,length:e.length,byteOffset:e.byteOffset,byteStride:e.byteStride});return new t({...vE(n),id:r.id,gpuData:e})}static fromGPUDataView(e,r={}){return new t({...vE(e),id:r.id,buffer:e.buffer})}constructor(e){let{id:r,value:n,buffer:i,gpuData:s,format:o,source:a=null,isConstant:c=!1}=e;if(!a&&!n&&!i&&!s)throw new Error("GPUDataEvaluator must have a value source");let{type:l,size:f,offset:u,stride:d,normalized:h,length:p}=e;if(a instanceof t?(l=l??a.type,f=f??a.size,u=u??a.offset,d=d??a.stride,h=h??a.normalized,p=p??a.length):(f=f??1,u=u??0,h=h??!1,p=c?1:p),!l)throw new Error("GPUDataEvaluator: type not defined");if(this._id=r,this.type=l,this.size=f,this.ValueType=cn(this.type),this._offset=u,this._stride=d||this.ValueType.BYTES_PER_ELEMENT*f,this.normalized=h,this.source=a,this.format=o,p===void 0)if(c)p=1;else{if(!n)throw new Error("GPUDataEvaluator: length not defined");p=Math.ceil(n.byteLength/this.stride)}this.isConstant=c,this.length=p;let m=this.ValueType.BYTES_PER_ELEMENT*this.size;this._byteLength=p===0?0:(p-1)*this.stride+m,this._value=n,this._bufferOwnership=a instanceof t||i||s?"borrowed":"owned",s?this._gpuVector=new rr({type:"data",name:this._id??"data",format:s.format,data:[s],stride:s.stride,byteStride:s.byteStride,rowByteLength:s.rowByteLength}):i&&(this._gpuVector=this.createGPUVectorView({buffer:i,name:this._id,format:this.format}))}get value(){return this._value||(this.source instanceof t?this.source.value:void 0)}get evaluated(){return!!this._gpuVector}get id(){return this._id}get gpuVector(){if(!this._gpuVector)throw new Error(`${this} not evaluated`);return this._gpuVector}get buffer(){return Af(this.gpuVector)}setTargetBuffer({buffer:e,byteOffset:r=0,byteStride:n=this.stride}){if(this._destroyed)throw new Error(`GPUDataEvaluator ${this} already destroyed`);if(this._gpuVector)throw new Error(`GPUDataEvaluator ${this} already evaluated`);if(!this.source||this.source instanceof t)throw new Error("GPUDataEvaluator target buffers require a deferred operation source");this._targetBuffer={buffer:e,byteOffset:r,byteStride:n}}async evaluate(e,r={}){if(this._destroyed)throw new Error(`GPUDataEvaluator ${this} already destroyed`);if(this._gpuVector)return this._gpuVector;let n;if(this.source instanceof t){let i=await this.source.evaluate(e);return this._gpuVector=this.createGPUVectorView({...r,buffer:Af(i)}),this._gpuVector}if(n=this._getEvaluationBuffer(e),this._value)n.write(this._value);else{let i=await this.source.execute(e,n);if(!i.success)throw i.error||new Error(`${this.source} evaluation failed`);i.value&&(this._value=i.value)}return this._gpuVector=this.createGPUVectorView({...r,buffer:n}),this._gpuVector}evaluateSync(e,r={}){if(this._destroyed)throw new Error(`GPUDataEvaluator ${this} already destroyed`);if(this._gpuVector)return this._gpuVector;let n;if(this.source instanceof t){let i=this.source.evaluateSync(e);return this._gpuVector=this.createGPUVectorView({...r,buffer:Af(i)}),this._gpuVector}if(n=this._getEvaluationBuffer(e),this._value)n.write(this._value);else{let i=this.source.executeSync(e,n);if(!i.success)throw i.error||new Error(`${this.source} evaluation failed`);i.value&&(this._value=i.value)}return this._gpuVector=this.createGPUVectorView({...r,buffer:n}),this._gpuVector}createGPUVectorView(e){let r=e.name??this._id??"vector",n=e.format??this.format??WD(this.type,this.size,this.normalized);if(e.interleaved){let i=typeof e.interleaved=="object"&&e.interleaved.attributes?e.interleaved.attributes:VD(this);return new rr({type:"interleaved",name:r,buffer:e.buffer,format:e.format??this.format,length:this.length,byteOffset:this.offset,byteStride:this.stride,attributes:i,ownsBuffer:!1})}return new rr({type:"buffer",name:r,buffer:e.buffer,format:n,length:this.length,stride:this.size,byteOffset:this.offset,byteStride:this.stride,rowByteLength:this.ValueType.BYTES_PER_ELEMENT*this.size,ownsBuffer:!1})}_getEvaluationBuffer(e){let r=this._targetBuffer;if(!r)return Ue.createOrReuse(e,this.byteLength);if(r.buffer.device!==e)throw new Error("GPUDataEvaluator target buffer belongs to a different device");let n=this.ValueType.BYTES_PER_ELEMENT*this.size,i=this.length===0?0:(this.length-1)*r.byteStride+n;if(r.byteOffset+i>r.buffer.byteLength)throw new Error("GPUDataEvaluator target buffer is too small for the output layout");return this._offset=r.byteOffset,this._stride=r.byteStride,this._byteLength=i,this._bufferOwnership="borrowed",this._targetBuffer=void 0,r.buffer}async readValue(e=0,r){let{ValueType:n}=this,{size:i,offset:s,stride:o,length:a}=this,c=n.BYTES_PER_ELEMENT*i;if(r=r??a,e=Math.max(0,Math.min(a,e)),r=Math.max(e,Math.min(a,r)),this._value)return UD(this,this._value,e,r);let l=r-e;if(l===0)return new n(0);let f=s+e*o,u=o===c?l*c:(l-1)*o+c,d=await this.buffer.readAsync(f,u),h=new n(d.buffer,d.byteOffset,d.byteLength/n.BYTES_PER_ELEMENT);if(o===c)return h;let p=new Uint8Array(c*l);for(let m=0;m<l;m++){let g=m*o;p.set(d.subarray(g,g+c),m*c)}return new n(p.buffer)}async ensureCPUValue(){let e=this.value;if(e)return e;let r=await this.buffer.readAsync(0,this.offset+this.byteLength);if(r.byteLength%this.ValueType.BYTES_PER_ELEMENT!==0)throw new Error(`${this} backing buffer byte length is not aligned to its scalar type`);let n=r.slice();return this._value=new this.ValueType(n.buffer,n.byteOffset,n.byteLength/this.ValueType.BYTES_PER_ELEMENT),this._value}ensureCPUValueSync(){let e=this.value;if(e)return e;throw new Error(`${this} CPU value is not available for synchronous evaluation`)}toString(){return this._id??this.source?.toString()??this.constructor.name}destroy(){this._gpuVector&&(this._bufferOwnership==="owned"&&Ue.recycle(Af(this._gpuVector)),this._gpuVector=void 0),this._targetBuffer=void 0,this._destroyed=!0}}});var es,Cf=b(()=>{es={add:{arity:2,symbol:"arithmetic_add"},subtract:{arity:2,symbol:"arithmetic_subtract"},multiply:{arity:2,symbol:"arithmetic_multiply"},divide:{arity:2,symbol:"arithmetic_divide"},pow:{arity:2,symbol:"pow"},sqrt:{arity:1,symbol:"sqrt"},abs:{arity:1,symbol:"abs"},sin:{arity:1,symbol:"sin"},cos:{arity:1,symbol:"cos"},tan:{arity:1,symbol:"arithmetic_tan"},exp:{arity:1,symbol:"exp"},log:{arity:1,symbol:"log"}}});function zE(t,{operations:e,inputs:r}){switch(t.kind){case"input":if(!(t.name in r))throw new Error(`Unknown expression input '${t.name}'`);return;case"literal":if(Array.isArray(t.value)){for(let n of t.value)if(!Number.isFinite(n))throw new Error(`Expression literal array must contain only finite values, got ${n}`)}else if(!Number.isFinite(t.value))throw new Error(`Expression literal must be finite, got ${t.value}`);return;case"call":{let n=e[t.op];if(!n)throw new Error(`Unknown expression op '${t.op}'`);if(t.args.length!==n.arity)throw new Error(`Expression op '${t.op}' expects ${n.arity} args, got ${t.args.length}`);for(let i of t.args)zE(i,{operations:e,inputs:r});return}default:{let n=t;throw new Error(`Unsupported expression node ${n.kind}`)}}}function Mf(t,e){return zE(t,e),UE(t,e)}function UE(t,e){switch(t.kind){case"input":{let r=e.inputs[t.name];return e.laneIndex<r.size?e.formatInput(t.name):e.formatOutOfBoundsInput(t.name)}case"literal":return e.formatLiteral(t.value);case"call":{let r=e.operations[t.op],n=t.args.map(i=>UE(i,e));return e.formatCall(r.symbol,n)}default:{let r=t;throw new Error(`Unsupported expression node ${r.kind}`)}}}var Vm=b(()=>{});function Ce(t,e,r=!1){if(r)return e===1?"float":`vec${e}`;switch(t){case"uint8":case"uint16":case"uint32":return e===1?"uint":`uvec${e}`;case"sint8":case"sint16":case"sint32":return e===1?"int":`ivec${e}`;default:return e===1?"float":`vec${e}`}}function If(t,e,r=!1){let n;if(r)switch(t){case"uint8":n="unorm8";break;case"sint8":n="snorm8";break;case"uint16":n="unorm16";break;case"sint16":n="snorm16";break;case"float32":n="float32";break;default:throw new Error(`Unsupported normalized vertex format for ${t}`)}else n=t;return e===1?n:e===3&&!n.startsWith("float32")&&!n.endsWith("32")?`${n}x3-webgl`:`${n}x${e}`}function $r(t){switch(t[0]){case"u":return"0u";case"s":return"0";default:return"0."}}function $E(t,e){switch(t){case"uint8":case"uint16":case"uint32":return`${Math.trunc(e)}u`;case"sint8":case"sint16":case"sint32":return`${Math.trunc(e)}`;default:return Number.isInteger(e)?`${e}.0`:`${e}`}}function GE(t){switch(t){case"uint8":return"r8uint";case"sint8":return"r8sint";case"uint16":return"r16uint";case"sint16":return"r16sint";case"uint32":return"r32uint";case"sint32":return"r32sint";case"float32":return"r32float";default:throw new Error(`Unsupported WebGL gather texture format for ${t}`)}}function VE(t){switch(t){case"uint32":return"usampler2D";case"sint32":return"isampler2D";case"float32":return"sampler2D";default:throw new Error(`Unsupported WebGL gather sampler type for ${t}`)}}var rs=b(()=>{});function Me({module:t,elementWise:e=!1,expression:r,inputs:n,output:i,operationType:s=i.type,outputBuffer:o}){let a=o.device,c=Wn("result",i.type,i.size,i.normalized),l=[t,c],f=[],u={},d=Ce(i.type,1,i.normalized),h=Ce(s,1,i.normalized),p="",m=null,g={TYPE:h,RESULT_LEN:i.size.toString()},y=JD(n);for(let[v,S]of y)l.push(Wm(v,S.type,S.size,S.normalized,s)),f.push(jm(v,S)),S instanceof K?u[v]=S.buffer:(m=m||Ue.createOrReuse(a,o.byteLength),u[v]=m),p+=`TYPE ${v}[${S.size}]; get_${v}(${v});
`,g[`${v.toUpperCase()}_LEN`]=S.size.toString();let _="";if(r)for(let v=0;v<i.size;v++)_+=`result[${v}]=${r(v)};
`;else if(e)for(let v=0;v<i.size;v++){let S=$r(h),A=y.map(([L,C])=>v<C.size?`${L}[${v}]`:S);_+=`result[${v}]=${t.name}(${A.join(", ")});
`}else _=`${t.name}(${y.map(([v])=>v).join(", ")}, result);`;let x=`#version 300 es

void main() {
${p}
${d} result[${i.size}];
${_}
set_result(result);
}
  `,w=new Le(a,{vs:x,shaderAssembler:QD,defines:g,modules:l,bufferLayout:f,vertexCount:1,instanceCount:i.length,attributes:u,feedbackBufferMode:"interleaved",outputs:c.varyings});a.statsManager.getStats(ZD).get(KD).incrementCount(),w.run({inputBuffers:u,outputBuffers:{[c.varyings[0]]:i.offset===0?o:{buffer:o,byteOffset:i.offset,byteLength:i.byteLength}}}),m&&Ue.recycle(m)}function JD(t){return Array.isArray(t)?t.map((e,r)=>[`x${r}`,e]):Object.entries(t)}function Wm(t,e,r,n=!1,i=e){let s="",o="";for(let c=0;c<r;c+=4){let l=Math.min(r-c,4),f=Ce(e,l,n);s+=`in ${f} a${t}_${c};
`;for(let u=0;u<l;u++){let d=`a${t}_${c}`;l>1&&(d=`${d}[${u}]`),(n||e!==i)&&(d=`TYPE(${d})`),o+=`v[${c+u}]=${d};
`}}let a=`
${s}
void get_${t}(out TYPE v[${r}]) {
  ${o}
}
`;return{name:t,vs:a}}function jm(t,e){let r={name:t,stepMode:e.isConstant?"vertex":"instance",byteStride:e.stride,attributes:[]};for(let n=0;n<e.size;n+=4){let i=Math.min(e.size-n,4);r.attributes.push({attribute:`a${t}_${n}`,format:If(e.type,i,e.normalized),byteOffset:e.offset+e.ValueType.BYTES_PER_ELEMENT*n})}return r}function Wn(t,e,r,n=!1){let i=[],s=Ce(e,1,n),o="",a="";for(let c=0;c<r;c+=4){let l=Math.min(r-c,4),f=Ce(e,l,n);i.push(`${t}_${c}`),o+=`flat out ${f} ${t}_${c};
`;let u=Array.from({length:l},(d,h)=>c+h);a+=`${t}_${c} = ${f}(${u.map(d=>`v[${d}]`).join(",")});
`}return{name:t,varyings:i,vs:`
${o}
void set_${t}(in ${s} v[${r}]) {
  ${a}
}
`}}var ZD,KD,QD,it=b(()=>{oe();je();_r();ha();rs();ZD="GPGPU Operation Counts",KD="Transform Runs",QD=new bi});var e6,Rf,Hm=b(()=>{je();Vm();Cf();it();rs();e6=`TYPE arithmetic_add(TYPE x, TYPE y) {
  return x + y;
}

TYPE arithmetic_subtract(TYPE x, TYPE y) {
  return x - y;
}

TYPE arithmetic_multiply(TYPE x, TYPE y) {
  return x * y;
}

TYPE arithmetic_divide(TYPE x, TYPE y) {
  return x / y;
}

float arithmetic_tan(float x) {
  return tan_fp32(x);
}
`,Rf=({inputs:t,output:e,target:r})=>{let n=e.type,i=Ce(n,1,e.normalized),s=$r(i),o=t.namedInputs;return Me({module:{name:"arithmetic",dependencies:[Tn],vs:e6},inputs:o,output:e,operationType:n,outputBuffer:r,expression:a=>Mf(t.expression,{operations:es,inputs:o,laneIndex:a,formatInput:c=>`${c}[${a}]`,formatOutOfBoundsInput:c=>o[c].size===1?`${c}[0]`:s,formatLiteral:c=>{let l=Array.isArray(c)?c[a]??0:c;return`${i}(${$E(n,l)})`},formatCall:(c,l)=>`${c}(${l.join(", ")})`})}),{success:!0}}});var t6,r6,jE,WE,HE=b(()=>{N();oe();_r();ha();Hm();it();t6="GPGPU Operation Counts",r6="Transform Runs",jE=({inputs:t,output:e,target:r})=>{let{sourceValues:n}=t,i=r.device;if(n.length===0){let u=new e.ValueType(e.length*e.size);return r.write(u),{success:!0,value:u}}if(n.isConstant){let u=n.value,d=new e.ValueType(e.length*e.size);for(let h=0;h<e.length;h++){let p=u[h];d[h*2]=p,d[h*2+1]=p}return r.write(d),{success:!0,value:d}}let s=i.createTexture({width:1,height:e.length,format:"rg32float",usage:q.RENDER|q.COPY_SRC|q.COPY_DST}),o=i.createFramebuffer({colorAttachments:[s]}),a=`#version 300 es

flat out float extent_value;

void main() {
  float sourceValues[SOURCE_VALUES_LEN];
  get_sourceValues(sourceValues);
  extent_value = sourceValues[gl_VertexID];

  float y = (float(gl_VertexID) + 0.5) / float(CHANNEL_COUNT) * 2.0 - 1.0;
  gl_Position = vec4(0.0, y, 0.0, 1.0);
  gl_PointSize = 1.0;
}
  `,c=`#version 300 es

precision highp float;

flat in float extent_value;
out vec2 fragColor;

void main() {
  fragColor = vec2(-extent_value, extent_value);
}
  `,l=new Ae(i,{vs:a,fs:c,topology:"point-list",parameters:{depthCompare:"always",blend:!0,blendColorSrcFactor:"one",blendColorDstFactor:"one",blendColorOperation:"max",blendAlphaSrcFactor:"one",blendAlphaDstFactor:"one",blendAlphaOperation:"max"},modules:[Wm("sourceValues",n.type,n.size,n.normalized)],defines:{TYPE:"float",SOURCE_VALUES_LEN:n.size.toString(),CHANNEL_COUNT:e.length.toString()},attributes:{sourceValues:n.buffer},bufferLayout:[jm("sourceValues",n)],instanceCount:n.length,vertexCount:e.length,disableWarnings:!0}),f=Ue.createOrReuse(i,e.byteLength);try{let u=i.beginRenderPass({framebuffer:o,parameters:{viewport:[0,0,1,e.length]},clearColor:[-WE,-WE,0,0],clearDepth:!1,clearStencil:!1});i.statsManager.getStats(t6).get(r6).incrementCount(),l.draw(u),u.end();let d=i.createCommandEncoder();return d.copyTextureToBuffer({sourceTexture:s,width:1,height:e.length,destinationBuffer:f,byteOffset:0,bytesPerRow:8}),i.submit(d.finish()),Rf({device:i,inputs:{expression:{kind:"call",op:"multiply",args:[{kind:"input",name:"x"},{kind:"literal",value:[-1,1]}]},namedInputs:{x:new K({buffer:f,size:2,type:"float32",length:e.length})}},output:e,target:r})}finally{l.destroy(),Ue.recycle(f),o.destroy(),s.destroy()}},WE=3e38});function n6(t,e){let r=e.reduce((n,[,i])=>n+Math.ceil(i.size/4),0);if(r>t)throw new Error(`interleave() requires ${r} vertex attributes, exceeding device limit ${t}`)}function i6(t,e){if(e.size>t)throw new Error(`interleave() output size ${e.size} exceeds device inter-stage component limit ${t}`)}var YE,qE=b(()=>{it();YE=({inputs:t,output:e,target:r})=>{let n=t.map((c,l)=>[`x${l}`,c]);n6(r.device.limits.maxVertexAttributes,n),i6(r.device.limits.maxInterStageShaderVariables,e);let i=n.map(([c,l])=>`in TYPE ${c}[${l.size}]`).join(", "),s=0,o=n.map(([c,l])=>{let f=Array.from({length:l.size},(u,d)=>`  result[${s+d}] = ${c}[${d}];`).join(`
`);return s+=l.size,f}).join(`
`),a=`void interleave(${i}, out TYPE result[RESULT_LEN]) {
${o}
}
`;return Me({module:{name:"interleave",vs:a},inputs:t,output:e,outputBuffer:r}),{success:!0}}});function s6(){let t=new Uint16Array([255]);return new Uint8Array(t.buffer)[0]>0}var o6,XE,ZE=b(()=>{it();o6=`#define LE ${s6()?1:0}
const uint F32_NAN = 0xffffffffu;
const uint F32_INF = 0x7f800000u;

// Find first set bit using binary search
// https://en.wikipedia.org/wiki/Find_first_set#CLZ
int countLeadingZeros(uint a) {
  if (a == 0u) return 32;
  int n = 0;
  if ((a & 0xffff0000u) == 0u) { n += 16; a = a << 16; }
  if ((a & 0xff000000u) == 0u) { n += 8;  a = a << 8;  }
  if ((a & 0xf0000000u) == 0u) { n += 4;  a = a << 4;  }
  if ((a & 0xc0000000u) == 0u) { n += 2;  a = a << 2;  }
  if ((a & 0x80000000u) == 0u) return n + 1;
  return n;
}

uint roundShiftRight(uint value, int shift) {
  if (shift <= 0) {
    return value << (-shift);
  }

  if (shift >= 32) {
    if (shift == 32 && value > 0x80000000u) {
      return 1u;
    }
    return 0u;
  }

  uint truncated = value >> shift;
  uint halfShift = 1u << (shift - 1);
  uint remainder = value & ((1u << shift) - 1u);
  if (remainder > halfShift || (remainder == halfShift && (truncated & 1u) == 1u)) {
    return truncated + 1u;
  }
  return truncated;
}

uint makeFloat_(uint sign, int exponent, uint mantissa) {
  return (sign << 31) | (uint(exponent + 127) << 23) | (mantissa & 0x7fffffu);
}

/**
 * Assemble a float32 in bit representation according to IEEE 754
 * https://en.wikipedia.org/wiki/Single-precision_floating-point_format
 */
uint makeFloat(uint sign, int exponent, uint significand) {
  if (significand == 0u) {
    return sign << 31;
  }

  // Remove any extra leading zeros for better precision
  int lead_zeros = countLeadingZeros(significand);
  // Significand is encoded as 1.fraction
  int normalizedExponent = exponent + 31 - lead_zeros;

  if (normalizedExponent > 127) {
    return (sign << 31) | F32_INF;
  }

  uint mantissa;
  if (normalizedExponent >= -126) {
    mantissa = roundShiftRight(significand, 8 - lead_zeros);
    if (mantissa >= 0x1000000u) {
      mantissa >>= 1;
      normalizedExponent++;
      if (normalizedExponent > 127) {
        return (sign << 31) | F32_INF;
      }
    }
    return makeFloat_(sign, normalizedExponent, mantissa);
  }

  int subnormalShift = -149 - exponent;
  mantissa = roundShiftRight(significand, subnormalShift);
  if (mantissa >= 0x800000u) {
    return (sign << 31) | (1u << 23);
  }
  return (sign << 31) | mantissa;
}

/**
 * Parse 8-byte memory as a float64 number according to IEEE 754
 * https://en.wikipedia.org/wiki/Double-precision_floating-point_format
 * Returns 8-byte memory as 2 float32 numbers, consisting of
 * high part: fround(d)
 * low part: d - fround(d)
 */
uvec2 parseAsDouble(uvec2 d) {
  #if LE
  d = d.yx; // to big endian
  #endif

  uint sign = (d[0] >> 31) & 1u; // first bit
  uint exponentBits = (d[0] >> 20) & 0x7ffu;
  int exponent = int(exponentBits) - 1023; // next 11 bits
  uint fractionHigh = d[0] & 0xfffffu;
  uint fractionLow = d[1];

  if (exponentBits == 0x7ffu) {
    if (fractionHigh == 0u && fractionLow == 0u) {
      return uvec2((sign << 31) | F32_INF, F32_NAN);
    }
    return uvec2(F32_NAN);
  }
  
  if (exponentBits == 0u) {
    // All float64 subnormals are too small to survive a float32 split.
    return uvec2(sign << 31);
  }

  if (exponent > 127) {
    return uvec2((sign << 31) | F32_INF, ((1u - sign) << 31) | F32_INF);
  }

  uint hi_part;
  uint low_part;

  // float64 significand has 52 bits
  // float32 significand has 23 bits
  // The significand of the high part is the significand of the double, trimmed
  uint f_hi = 0x800000u | (fractionHigh << 3) | (fractionLow >> 29);
  uint f_low = fractionLow & 0x1fffffffu;

  if (exponent < -126) {
    // For tiny normals, the top 24 significand bits still contribute to the float32
    // high part, but they land in the float32 subnormal range.
    hi_part = makeFloat(sign, exponent - 23, f_hi);

    // The residual keeps the remaining 29 significand bits at the original double scale.
    low_part = makeFloat(sign, exponent - 52, f_low);
    return uvec2(hi_part, low_part);
  }

  bool roundUp = f_low > 0x10000000u || (f_low == 0x10000000u && (f_hi & 1u) == 1u);

  uint f_rounded = f_hi + (roundUp ? 1u : 0u);
  int exponent_hi = exponent;
  if (f_rounded == 0x1000000u) {
    f_rounded = 0x800000u;
    exponent_hi++;
  }

  if (exponent_hi > 127) {
    // Overflows float32 limit
    hi_part = (sign << 31) | F32_INF;
    low_part = ((1u - sign) << 31) | F32_INF;
    return uvec2(hi_part, low_part);
  }
  
  hi_part = makeFloat_(sign, exponent_hi, f_rounded);

  int remainder = int(f_low);
  uint sign_low = sign;
  if (roundUp) {
    remainder -= 0x20000000;
  }
  if (remainder < 0) {
    sign_low = 1u - sign;
    remainder = -remainder;
  }
  low_part = makeFloat(sign_low, exponent - 52, uint(remainder));

  return uvec2(hi_part, low_part);
}

void fround(in uint x[X_LEN], out float result[X_LEN]) {
  int n = X_LEN / 2;
  for (int i = 0; i < n; i++) {
    uvec2 f = parseAsDouble(uvec2(x[i * 2], x[i * 2 + 1]));
    result[i] = uintBitsToFloat(f.x);
    result[i + n] = uintBitsToFloat(f.y);
  }
}
`,XE=({inputs:t,output:e,target:r})=>(Me({module:{name:"fround",vs:o6},inputs:t,output:e,operationType:"uint32",outputBuffer:r}),{success:!0})});function kf(t,e,r){let n=VE(r),i=Ce(e,1),s=Array.from({length:t.size},(o,a)=>`  v[${a}] = ${i}(texelFetch(source_values_texture, ivec2(${a}, rowIndex), 0).r);`).join(`
`);return{name:"source_values_texture",vs:`
uniform highp ${n} source_values_texture;
void read_source_values(int rowIndex, out TYPE v[${t.size}]) {
${s}
}
`}}function Of(t,e,r){let n=r.createTexture({width:Math.max(t.size,1),height:t.length,format:GE(e),usage:q.SAMPLE|q.COPY_DST});if(t.length===0)return n;let i=r.createCommandEncoder();return i.copyBufferToTexture({sourceBuffer:t.buffer,destinationTexture:n,byteOffset:t.offset,bytesPerRow:t.stride,rowsPerImage:t.length,size:[t.size,t.length,1]}),r.submit(i.finish()),n}var Ym=b(()=>{N();rs()});function a6(t,e){let r=Ce(t.type,1),n="aids_0";return t.type!==f6(e)&&(n=`${e}(${n})`),{name:"ids",vs:`
in ${r} aids_0;
void get_ids(out INDEX_TYPE v[1]) {
  v[0] = ${n};
}
`}}function c6(t){return{name:"ids",stepMode:t.isConstant?"vertex":"instance",byteStride:t.stride,attributes:[{attribute:"aids_0",format:If(t.type,1,t.normalized),byteOffset:t.offset}]}}function l6(t){return{name:"gather",vs:`
void zero_result(out TYPE result[RESULT_LEN]) {
  for (int i = 0; i < RESULT_LEN; i++) {
    result[i] = ${$r(t)};
  }
}

void gather(in INDEX_TYPE ids[1], out TYPE result[RESULT_LEN]) {
  int sourceIndex = int(ids[0]);
  if (sourceIndex < 0 || sourceIndex >= SOURCE_VALUES_ROWS) {
    zero_result(result);
    return;
  }
  read_source_values(sourceIndex, result);
}
`}}function f6(t){switch(t){case"uint":return"uint32";case"int":return"sint32";default:return"float32"}}var KE,QE=b(()=>{oe();rs();it();Ym();KE=async({inputs:t,output:e,target:r})=>{let{ids:n,sourceValues:i}=t,s=r.device,o=Wn("result",e.type,e.size),a=Ce(n.type,1),c=Ce(e.type,1),l=e.type,f=Of(i,l,s),u=`#version 300 es

void main() {
  INDEX_TYPE ids[1];
  get_ids(ids);
  TYPE result[${e.size}];
  gather(ids, result);
  set_result(result);
}
  `,d=new Le(s,{vs:u,defines:{INDEX_TYPE:a,TYPE:c,RESULT_LEN:e.size.toString(),SOURCE_VALUES_ROWS:i.length.toString()},modules:[a6(n,a),kf(i,e.type,l),l6(e.type),o],bindings:{source_values_texture:f},bufferLayout:[c6(n)],vertexCount:1,instanceCount:e.length,feedbackBufferMode:"interleaved",outputs:o.varyings});try{return d.run({inputBuffers:{ids:n.buffer},outputBuffers:{[o.varyings[0]]:r}}),{success:!0}}finally{d.destroy(),f.destroy()}}});var u6,JE,e1=b(()=>{it();u6=`void row_dot(in TYPE x[X_LEN], in TYPE y[Y_LEN], out float result[1]) {
  float sum = 0.0;
  for (int i = 0; i < X_LEN; i++) {
    sum += float(x[i]) * float(y[i]);
  }
  result[0] = sum;
}
`,JE=({inputs:t,output:e,target:r})=>(Me({module:{name:"row_dot",vs:u6},inputs:t,output:e,operationType:"float32",outputBuffer:r}),{success:!0})});var d6,t1,r1=b(()=>{it();d6=`void equalAll(in TYPE x[X_LEN], in TYPE y[Y_LEN], out uint result[1]) {
  uint allEqual = uint(1);
  for (int i = 0; i < X_LEN; i++) {
    if (x[i] != y[i]) {
      allEqual = uint(0);
      break;
    }
  }
  result[0] = allEqual;
}
`,t1=({inputs:t,output:e,target:r})=>(Me({module:{name:"equalAll",vs:d6},inputs:t,output:e,operationType:e.type==="uint32"?t.x.type:e.type,outputBuffer:r}),{success:!0})});var h6,n1,i1=b(()=>{it();h6=`void row_length(in TYPE x[X_LEN], out float result[1]) {
  float sum = 0.0;
  for (int i = 0; i < X_LEN; i++) {
    sum += float(x[i]) * float(x[i]);
  }
  result[0] = sqrt(sum);
}
`,n1=({inputs:t,output:e,target:r})=>(Me({module:{name:"row_length",vs:h6},inputs:t,output:e,operationType:"float32",outputBuffer:r}),{success:!0})});function p6(){return{name:"segmentedMap",vs:`
uint read_segment_start(int segmentIndex) {
  TYPE value[1];
  read_source_values(segmentIndex, value);
  return uint(value[0]);
}

void segmentedMap(out TYPE result[RESULT_LEN]) {
  uint vertexIndex = uint(gl_InstanceID);
  int low = 0;
  int high = SEGMENTS_LENGTH;

  while (low < high) {
    int mid = low + (high - low) / 2;
    uint midStart = read_segment_start(mid);
    if (midStart <= vertexIndex) {
      low = mid + 1;
    } else {
      high = mid;
    }
  }

  uint segmentIndex = uint(max(low - 1, 0));
  uint segmentStart = read_segment_start(int(segmentIndex));
  result[0] = segmentIndex;
  result[1] = vertexIndex - segmentStart;
}
`}}var s1,o1=b(()=>{oe();Ym();it();s1=async({inputs:t,output:e,target:r})=>{let{segments:n}=t,i=r.device,s=Wn("result",e.type,e.size),o=n.type,a=Of(n,o,i),c=new Le(i,{vs:`#version 300 es

void main() {
  TYPE result[RESULT_LEN];
  segmentedMap(result);
  set_result(result);
}
`,defines:{TYPE:"uint",RESULT_LEN:e.size.toString(),SEGMENTS_LENGTH:n.length.toString()},modules:[kf(n,e.type,o),p6(),s],bindings:{source_values_texture:a},vertexCount:1,instanceCount:e.length,feedbackBufferMode:"interleaved",outputs:s.varyings});try{return c.run({outputBuffers:{[s.varyings[0]]:r}}),{success:!0}}finally{c.destroy(),a.destroy()}}});function qm(t,e,r,n){return r<e.size?`${t}[${r}]`:e.size===1?`${t}[0]`:n}var a1,c1=b(()=>{it();rs();a1=async({inputs:t,output:e,target:r})=>{let n=Ce(e.type,1,e.normalized),i=$r(n);return Me({module:{name:"select",vs:""},inputs:t,output:e,operationType:e.type,outputBuffer:r,expression:s=>{let o=qm("condition",t.condition,s,i),a=qm("whenTrue",t.whenTrue,s,i),c=qm("whenFalse",t.whenFalse,s,i);return`(${o} != ${i} ? ${a} : ${c})`}}),{success:!0}}});var l1,f1=b(()=>{oe();it();l1=({inputs:t,output:e,target:r})=>{let n=Wn("result",e.type,e.size),i=new Le(r.device,{vs:`#version 300 es

void main() {
  int result[1];
  result[0] = START + gl_InstanceID * STEP;
  set_result(result);
}
`,defines:{START:t.start.toString(),STEP:t.step.toString()},modules:[n],vertexCount:1,instanceCount:e.length,feedbackBufferMode:"interleaved",outputs:n.varyings});try{return i.run({outputBuffers:{[n.varyings[0]]:r}}),{success:!0}}finally{i.destroy()}}});var u1,d1=b(()=>{it();u1=({inputs:t,output:e,target:r})=>{let{columns:n}=t;return Me({module:{name:"swizzle",vs:"// swizzle expression handled inline"},expression:i=>`x[${n[i]}]`,inputs:{x:t.x},output:e,outputBuffer:r}),{success:!0}}});var h1={};ir(h1,{arithmetic:()=>Rf,dot:()=>JE,equalAll:()=>t1,extent:()=>jE,fround:()=>XE,gather:()=>KE,interleave:()=>YE,length:()=>n1,segmentedMap:()=>s1,select:()=>a1,sequence:()=>l1,swizzle:()=>u1});var p1=b(()=>{Hm();HE();qE();ZE();QE();e1();r1();i1();o1();c1();f1();d1()});function nr(t,e){let r=m6(e),n=Math.max(1,Math.ceil(t)),i=Math.min(n,r),s=Math.min(Math.ceil(n/i),r),o=Math.ceil(n/i/s);if(o>r)throw new Error(`WebGPU dispatch requires ${n} workgroups, exceeding the 3D dispatch limit of ${r} per dimension`);return{x:i,y:s,z:o}}function Xm(t,e="workgroupId"){return`((${e}.z * ${t.y}u + ${e}.y) * ${t.x}u + ${e}.x)`}function Gr(t,e,r="workgroupId",n="localId"){return`(${Xm(t,r)} * ${e}u + ${n}.x)`}function m6(t){return Number.isFinite(t)&&t>0?Math.floor(t):65535}var ns=b(()=>{});function Vr(t,e){switch(t){case"u32":return`${e}u`;case"f32":return Number.isInteger(e)?`${e}.0`:`${e}`;default:return`${e}`}}function m1(t,e){switch(t){case"uint32":return Vr("u32",Math.trunc(e));case"sint32":return`${Math.trunc(e)}`;case"float32":return Vr("f32",e);default:throw new Error(`WebGPU operations only support 32-bit output types, got ${t}`)}}function Wr(t){switch(t){case"uint32":return"0u";case"sint32":return"0";case"float32":return"0.0";default:throw new Error(`WebGPU operations only support 32-bit output types, got ${t}`)}}function te(t){switch(t){case"uint32":return"u32";case"sint32":return"i32";case"float32":return"f32";default:throw new Error(`WebGPU operations only support 32-bit storage types, got ${t}`)}}var jn=b(()=>{});function Ie({module:t,elementWise:e=!1,expression:r,inputs:n,output:i,operationType:s=i.type,outputBuffer:o}){if(!t.source)throw new Error(`WebGPU computation ${t.name} requires WGSL source`);let a=S6(n),c=a.map(([_,x])=>({name:_,input:x})),l=c.filter(({input:_})=>!_.isConstant).map((_,x)=>({..._,index:x})),f=te(s),u=te(i.type),d={TYPE:f,RESULT_LEN:i.size.toString()},h=nr(Math.ceil(i.length/Zm),o.device.limits.maxComputeWorkgroupsPerDimension);for(let[_,x]of a)d[`${_.toUpperCase()}_LEN`]=x.size.toString();let p=`
${T6(t.source,d)}
${l.map(({name:_,input:x,index:w})=>x6(_,x,w)).join(`
`)}
${c.map(({name:_,input:x})=>b6(_,x,s)).join(`
`)}
${w6(i,l.length)}
${v6(i)}

@compute @workgroup_size(${Zm}) fn main(
  @builtin(workgroup_id) workgroupId: vec3<u32>,
  @builtin(local_invocation_id) localId: vec3<u32>
) {
  let rowIndex = ${Gr(h,Zm)};
  if (rowIndex >= ${i.length}u) {
    return;
  }

${c.map(({name:_})=>`  let ${_} = read_${_}(rowIndex);`).join(`
`)}
  var result: array<${u}, ${i.size}>;
${E6(t.name,a,i,e,r)}
  write_result(rowIndex, result);
}
`,m=new rt(o.device,{source:p,modules:t.dependencies,shaderAssembler:_6,shaderLayout:{bindings:[...l.map(({name:_},x)=>({name:_,type:"storage",group:0,location:x})),{name:"result",type:"storage",group:0,location:l.length}]}}),g=Object.fromEntries(l.map(({name:_,input:x})=>[_,x.buffer]));g.result=o,m.setBindings(g);let y=o.device.beginComputePass({});o.device.statsManager.getStats(g6).get(y6).incrementCount(),m.dispatch(y,h.x,h.y,h.z),y.end(),o.device.submit(),m.destroy()}function x6(t,e,r){if(e.isConstant)return"";let n=te(e.type);return`@group(0) @binding(${r}) var<storage, read> ${t}: array<${n}>;`}function b6(t,e,r){let n=te(r),i=e.type===r?"":n,s=e.stride/e.ValueType.BYTES_PER_ELEMENT,o=e.offset/e.ValueType.BYTES_PER_ELEMENT;return e.isConstant?`fn read_${t}(_rowIndex: u32) -> array<${n}, ${e.size}> {
  return array<${n}, ${e.size}>(${P6(e,i)});
}`:`fn read_${t}(rowIndex: u32) -> array<${n}, ${e.size}> {
  var value: array<${n}, ${e.size}>;
  let rowOffset = ${o}u + rowIndex * ${s}u;
${Array.from({length:e.size},(a,c)=>i?`  value[${c}] = ${i}(${t}[rowOffset + ${c}u]);`:`  value[${c}] = ${t}[rowOffset + ${c}u];`).join(`
`)}
  return value;
}`}function w6(t,e){let r=te(t.type);return`@group(0) @binding(${e}) var<storage, read_write> result: array<${r}>;`}function v6(t){let e=t.stride/t.ValueType.BYTES_PER_ELEMENT,r=t.offset/t.ValueType.BYTES_PER_ELEMENT;return`fn write_result(rowIndex: u32, value: array<${te(t.type)}, ${t.size}>) {
  let rowOffset = ${r}u + rowIndex * ${e}u;
${Array.from({length:t.size},(i,s)=>`  result[rowOffset + ${s}u] = value[${s}];`).join(`
`)}
}`}function E6(t,e,r,n,i){let s="";if(i)for(let o=0;o<r.size;o++)s+=`  result[${o}] = ${i(o)};
`;else if(n){let o=Wr(r.type),a=te(r.type);for(let c=0;c<r.size;c++){let l=e.map(([f,u])=>c<u.size?te(u.type)===a?`${f}[${c}]`:`${a}(${f}[${c}])`:o);s+=`  result[${c}] = ${t}(${l.join(", ")});
`}}else s+=`result = ${t}(${e.map(([o])=>o).join(", ")});`;return s.trimEnd()}function S6(t){return Array.isArray(t)?t.map((e,r)=>[`x${r}`,e]):Object.entries(t)}function P6(t,e){let r=t.value;if(!r)throw new Error(`Constant input ${t} is missing CPU values`);return Array.from({length:t.size},(n,i)=>Vr(e,r[i]??0)).join(", ")}function T6(t,e){for(let r in e)t=t.replaceAll(`{${r}}`,e[r]);return t}var Zm,g6,y6,_6,xr=b(()=>{oe();je();ns();jn();Zm=64,g6="GPGPU Operation Counts",y6="Computation Runs",_6=new Rr});var A6,g1,y1=b(()=>{je();Vm();Cf();xr();jn();A6=`fn arithmetic_add(x: {TYPE}, y: {TYPE}) -> {TYPE} {
  return x + y;
}

fn arithmetic_subtract(x: {TYPE}, y: {TYPE}) -> {TYPE} {
  return x - y;
}

fn arithmetic_multiply(x: {TYPE}, y: {TYPE}) -> {TYPE} {
  return x * y;
}

fn arithmetic_divide(x: {TYPE}, y: {TYPE}) -> {TYPE} {
  return x / y;
}

fn arithmetic_tan(x: f32) -> f32 {
  return tan_fp32(x);
}
`,g1=({inputs:t,output:e,target:r})=>{let n=e.type,i=te(n),s=Wr(n),o=t.namedInputs;return Ie({module:{name:"arithmetic",source:A6,dependencies:[Tn]},inputs:o,output:e,operationType:n,outputBuffer:r,expression:a=>Mf(t.expression,{operations:es,inputs:o,laneIndex:a,formatInput:c=>`${c}[${a}]`,formatOutOfBoundsInput:c=>o[c].size===1?`${c}[0]`:s,formatLiteral:c=>{let l=Array.isArray(c)?c[a]??0:c;return`${i}(${m1(n,l)})`},formatCall:(c,l)=>`${c}(${l.join(", ")})`})}),{success:!0}}});var L6,_1,x1=b(()=>{xr();L6=`fn row_dot(x: array<{TYPE}, {X_LEN}>, y: array<{TYPE}, {Y_LEN}>) -> array<f32, 1> {
  var sum = 0.0;
  for (var i = 0u; i < {X_LEN}u; i = i + 1u) {
    sum += f32(x[i]) * f32(y[i]);
  }
  return array<f32, 1>(sum);
}
`,_1=({inputs:t,output:e,target:r})=>(Ie({module:{name:"row_dot",source:L6},inputs:t,output:e,operationType:"float32",outputBuffer:r}),{success:!0})});var C6,b1,w1=b(()=>{xr();C6=`fn equalAll(x: array<{TYPE}, {X_LEN}>, y: array<{TYPE}, {Y_LEN}>) -> array<u32, 1> {
  var allEqual = 1u;
  for (var i = 0u; i < {X_LEN}u; i = i + 1u) {
    if (x[i] != y[i]) {
      allEqual = 0u;
      break;
    }
  }
  return array<u32, 1>(allEqual);
}
`,b1=({inputs:t,output:e,target:r})=>(Ie({module:{name:"equalAll",source:C6},inputs:t,output:e,operationType:t.x.type,outputBuffer:r}),{success:!0})});function is(t,e,r){let n=te(e.type);return`@group(0) @binding(${r}) var<storage, read> ${t}: array<${n}>;`}function Km(t,e,r,n=t){let i=te(r);if(e.isConstant){let l=e.value;if(!l)throw new Error(`Constant input ${e} is missing CPU values`);return`fn read_${n}(_sourceIndex: u32) -> array<${i}, ${e.size}> {
  return array<${i}, ${e.size}>(${Array.from({length:e.size},(f,u)=>Vr(i,l[u]??0)).join(", ")});
}`}let s=e.stride/e.ValueType.BYTES_PER_ELEMENT,o=e.offset/e.ValueType.BYTES_PER_ELEMENT,c=te(e.type)===i?"":`${i}`;return`fn read_${n}(sourceIndex: u32) -> array<${i}, ${e.size}> {
  var value: array<${i}, ${e.size}>;
  let rowOffset = ${o}u + sourceIndex * ${s}u;
${Array.from({length:e.size},(l,f)=>c?`  value[${f}] = ${c}(${t}[rowOffset + ${f}u]);`:`  value[${f}] = ${t}[rowOffset + ${f}u];`).join(`
`)}
  return value;
}`}function Bf(t,e){return Km("sourceValues",t,e,"source_values")}function ss(t,e){let r=te(t.type);return`@group(0) @binding(${e}) var<storage, read_write> result: array<${r}>;`}function os(t){let e=t.stride/t.ValueType.BYTES_PER_ELEMENT,r=t.offset/t.ValueType.BYTES_PER_ELEMENT;return`fn write_result(rowIndex: u32, value: array<${te(t.type)}, ${t.size}>) {
  let rowOffset = ${r}u + rowIndex * ${e}u;
${Array.from({length:t.size},(i,s)=>`  result[rowOffset + ${s}u] = value[${s}];`).join(`
`)}
}`}function v1(t,e){let r=Wr(t);return`fn zero_result() -> array<${te(t)}, ${e}> {
  var result: array<${te(t)}, ${e}>;
${Array.from({length:e},(n,i)=>`  result[${i}] = ${r};`).join(`
`)}
  return result;
}`}var $e,Df=b(()=>{jn();$e=64});function M6({input:t,inputMode:e,inputGroupCount:r,channelCount:n,outputType:i,outputBuffer:s,outputLength:o,outputStride:a,outputOffset:c}){let l=te(i),f=nr(o,s.device.limits.maxComputeWorkgroupsPerDimension),u=new K({buffer:s,type:i,size:2,length:o,stride:a,offset:c}),d=`
${t.isConstant?"":is("sourceValues",t,0)}
${Bf(t,i)}
${ss(u,t.isConstant?0:1)}
${os(u)}
${I6(e,i,n,r)}

var<workgroup> sharedMin: array<${l}, ${$e}>;
var<workgroup> sharedMax: array<${l}, ${$e}>;

@compute @workgroup_size(${$e}) fn main(
  @builtin(workgroup_id) workgroupId: vec3<u32>,
  @builtin(local_invocation_id) localId: vec3<u32>
) {
  let outputRowIndex = ${Xm(f)};
  if (outputRowIndex >= ${o}u) {
    return;
  }

  let channelIndex = outputRowIndex % ${n}u;
  let outputGroupIndex = outputRowIndex / ${n}u;
  let inputGroupIndex = outputGroupIndex * ${$e}u + localId.x;

  let result = extent_pass(channelIndex, inputGroupIndex);
  sharedMin[localId.x] = result[0];
  sharedMax[localId.x] = result[1];
  workgroupBarrier();

  var stride = ${Math.floor($e/2)}u;
  loop {
    if (stride == 0u) {
      break;
    }
    if (localId.x < stride) {
      let compareIndex = localId.x + stride;
      if (sharedMin[compareIndex] < sharedMin[localId.x]) {
        sharedMin[localId.x] = sharedMin[compareIndex];
      }
      if (sharedMax[compareIndex] > sharedMax[localId.x]) {
        sharedMax[localId.x] = sharedMax[compareIndex];
      }
    }
    workgroupBarrier();
    stride = stride / 2u;
  }

  if (localId.x == 0u) {
    write_result(outputRowIndex, array<${l}, 2>(sharedMin[0], sharedMax[0]));
  }
}
`,h=new rt(s.device,{source:d,shaderLayout:{bindings:[...t.isConstant?[]:[{name:"sourceValues",type:"storage",group:0,location:0}],{name:"result",type:"storage",group:0,location:t.isConstant?0:1}]}}),p={result:s};t.isConstant||(p.sourceValues=t.buffer),h.setBindings(p);let m=s.device.beginComputePass({});h.dispatch(m,f.x,f.y,f.z),m.end(),s.device.submit(),h.destroy()}function I6(t,e,r,n){let i=te(e),[s,o]=R6(e);return t==="raw"?`fn extent_pass(channelIndex: u32, inputGroupIndex: u32) -> array<${i}, 2> {
  var result: array<${i}, 2>;
  result[0] = ${s};
  result[1] = ${o};

  if (inputGroupIndex < ${n}u) {
    let value = read_source_values(inputGroupIndex);
    result[0] = value[channelIndex];
    result[1] = value[channelIndex];
  }

  return result;
}`:`fn extent_pass(channelIndex: u32, inputGroupIndex: u32) -> array<${i}, 2> {
  var result: array<${i}, 2>;
  result[0] = ${s};
  result[1] = ${o};

  if (inputGroupIndex < ${n}u) {
    let rowIndex = inputGroupIndex * ${r}u + channelIndex;
    let value = read_source_values(rowIndex);
    result[0] = value[0];
    result[1] = value[1];
  }

  return result;
}`}function R6(t){switch(t){case"uint32":return["0xffffffffu","0u"];case"sint32":return["2147483647","-2147483648"];case"float32":return["3.402823e38","-3.402823e38"];default:throw new Error(`Unsupported WebGPU extent type for ${t}`)}}var E1,S1=b(()=>{oe();_r();ha();ns();jn();Df();E1=({inputs:t,output:e,target:r})=>{let{sourceValues:n}=t;if(n.length===0){let c=new e.ValueType(e.length*e.size);return r.write(c),{success:!0,value:c}}if(n.isConstant){let c=n.value;if(!c)throw new Error(`Constant input ${n} is missing CPU values`);let l=new e.ValueType(e.length*e.size);for(let f=0;f<e.length;f++){let u=c[f];l[f*2]=u,l[f*2+1]=u}return r.write(l),{success:!0,value:l}}let i=[],s=n,o="raw",a=n.length;try{for(;;){let c=Math.ceil(a/$e),l=e.length*c,f=c===1?r:Ue.createOrReuse(r.device,l*e.stride);if(c>1&&i.push(f),M6({input:s,inputMode:o,inputGroupCount:a,channelCount:e.length,outputType:e.type,outputBuffer:f,outputLength:l,outputStride:e.stride,outputOffset:e.offset}),c===1)break;s=new K({buffer:f,type:e.type,size:2,length:l}),o="partial",a=c}return{success:!0}}finally{for(let c of i)Ue.recycle(c)}}});function k6(){let t=new Uint16Array([255]);return new Uint8Array(t.buffer)[0]>0}var O6,P1,T1=b(()=>{xr();O6=`const LE: bool = ${k6()?"true":"false"};
const F32_NAN: u32 = 0xffffffffu;
const F32_INF: u32 = 0x7f800000u;

fn roundShiftRight(value: u32, shift: i32) -> u32 {
  if (shift <= 0) {
    return value << u32(-shift);
  }

  if (shift >= 32) {
    if (shift == 32 && value > 0x80000000u) {
      return 1u;
    }
    return 0u;
  }

  let shiftU32 = u32(shift);
  let truncated = value >> shiftU32;
  let halfShift = 1u << u32(shift - 1);
  let remainder = value & ((1u << shiftU32) - 1u);
  if (remainder > halfShift || (remainder == halfShift && (truncated & 1u) == 1u)) {
    return truncated + 1u;
  }
  return truncated;
}

fn makeFloatImmediate(sign: u32, exponent: i32, mantissa: u32) -> u32 {
  return (sign << 31u) | (u32(exponent + 127) << 23u) | (mantissa & 0x7fffffu);
}

fn makeFloat(sign: u32, exponent: i32, significand: u32) -> u32 {
  if (significand == 0u) {
    return sign << 31u;
  }

  let leadingZeros = i32(countLeadingZeros(significand));
  var normalizedExponent = exponent + 31 - leadingZeros;

  if (normalizedExponent > 127) {
    return (sign << 31u) | F32_INF;
  }

  var mantissa: u32;
  if (normalizedExponent >= -126) {
    mantissa = roundShiftRight(significand, 8 - leadingZeros);
    if (mantissa >= 0x1000000u) {
      mantissa = mantissa >> 1u;
      normalizedExponent += 1;
      if (normalizedExponent > 127) {
        return (sign << 31u) | F32_INF;
      }
    }
    return makeFloatImmediate(sign, normalizedExponent, mantissa);
  }

  let subnormalShift = -149 - exponent;
  mantissa = roundShiftRight(significand, subnormalShift);
  if (mantissa >= 0x800000u) {
    return (sign << 31u) | (1u << 23u);
  }
  return (sign << 31u) | mantissa;
}

fn parseAsDouble(words: vec2<u32>) -> vec2<u32> {
  var d = words;
  if (LE) {
    d = d.yx;
  }

  let sign = (d.x >> 31u) & 1u;
  let exponentBits = (d.x >> 20u) & 0x7ffu;
  let exponent = i32(exponentBits) - 1023;
  let fractionHigh = d.x & 0xfffffu;
  let fractionLow = d.y;

  if (exponentBits == 0x7ffu) {
    if (fractionHigh == 0u && fractionLow == 0u) {
      return vec2<u32>((sign << 31u) | F32_INF, F32_NAN);
    }
    return vec2<u32>(F32_NAN);
  }

  if (exponentBits == 0u) {
    return vec2<u32>(sign << 31u);
  }

  if (exponent > 127) {
    return vec2<u32>((sign << 31u) | F32_INF, ((1u - sign) << 31u) | F32_INF);
  }

  let highSignificand = 0x800000u | (fractionHigh << 3u) | (fractionLow >> 29u);
  let lowSignificand = fractionLow & 0x1fffffffu;

  if (exponent < -126) {
    let highPart = makeFloat(sign, exponent - 23, highSignificand);
    let lowPart = makeFloat(sign, exponent - 52, lowSignificand);
    return vec2<u32>(highPart, lowPart);
  }

  let roundUp = lowSignificand > 0x10000000u ||
    (lowSignificand == 0x10000000u && (highSignificand & 1u) == 1u);

  var roundedSignificand = highSignificand + select(0u, 1u, roundUp);
  var highExponent = exponent;
  if (roundedSignificand == 0x1000000u) {
    roundedSignificand = 0x800000u;
    highExponent += 1;
  }

  if (highExponent > 127) {
    return vec2<u32>((sign << 31u) | F32_INF, ((1u - sign) << 31u) | F32_INF);
  }

  let highPart = makeFloatImmediate(sign, highExponent, roundedSignificand);

  var remainder = i32(lowSignificand);
  var lowSign = sign;
  if (roundUp) {
    remainder -= 0x20000000;
  }
  if (remainder < 0) {
    lowSign = 1u - sign;
    remainder = -remainder;
  }

  let lowPart = makeFloat(lowSign, exponent - 52, u32(remainder));
  return vec2<u32>(highPart, lowPart);
}

fn fround(x: array<u32, {X_LEN}>) -> array<f32, {RESULT_LEN}> {
  var result: array<f32, {RESULT_LEN}>;
  let n = {X_LEN}u / 2u;
  for (var i = 0u; i < n; i = i + 1u) {
    let parts = parseAsDouble(vec2<u32>(x[i * 2u], x[i * 2u + 1u]));
    result[i] = bitcast<f32>(parts.x);
    result[i + n] = bitcast<f32>(parts.y);
  }
  return result;
}
`,P1=({inputs:t,output:e,target:r})=>(Ie({module:{name:"fround",source:O6},inputs:t,output:e,operationType:"uint32",outputBuffer:r}),{success:!0})});function B6(t,e){if(t.isConstant){let i=t.value;if(!i)throw new Error(`Constant input ${t} is missing CPU values`);return`fn read_ids(_rowIndex: u32) -> ${e} {
  return ${Vr(e,i[0]??0)};
}`}let r=t.stride/t.ValueType.BYTES_PER_ELEMENT,n=t.offset/t.ValueType.BYTES_PER_ELEMENT;return`fn read_ids(rowIndex: u32) -> ${e} {
  let rowOffset = ${n}u + rowIndex * ${r}u;
  return ids[rowOffset];
}`}function D6(t,e,r,n){let i=te(t),s=te(e);return`fn gather(idsValue: ${i}) -> array<${s}, ${r}> {
  let sourceIndex = ${i==="u32"?"i32(idsValue)":i==="i32"?"idsValue":"i32(idsValue)"};
  if (sourceIndex < 0 || sourceIndex >= ${n}) {
    return zero_result();
  }
  return read_source_values(u32(sourceIndex));
}`}var A1,L1=b(()=>{oe();ns();jn();Df();A1=async({inputs:t,output:e,target:r})=>{let{ids:n,sourceValues:i}=t,s=te(n.type),o=[];n.isConstant||o.push({name:"ids",input:n,index:o.length}),i.isConstant||o.push({name:"sourceValues",input:i,index:o.length});let a=nr(Math.ceil(e.length/$e),r.device.limits.maxComputeWorkgroupsPerDimension),c=`
${o.map(({name:d,input:h,index:p})=>is(d,h,p)).join(`
`)}
${B6(n,s)}
${Bf(i,e.type)}
${ss(e,o.length)}
${os(e)}
${v1(e.type,e.size)}
${D6(n.type,e.type,e.size,i.length)}

@compute @workgroup_size(${$e}) fn main(
  @builtin(workgroup_id) workgroupId: vec3<u32>,
  @builtin(local_invocation_id) localId: vec3<u32>
) {
  let rowIndex = ${Gr(a,$e)};
  if (rowIndex >= ${e.length}u) {
    return;
  }

  let idsValue = read_ids(rowIndex);
  let result = gather(idsValue);
  write_result(rowIndex, result);
}
`,l=new rt(r.device,{source:c,shaderLayout:{bindings:[...o.map(({name:d,index:h})=>({name:d,type:"storage",group:0,location:h})),{name:"result",type:"storage",group:0,location:o.length}]}}),f={};n.isConstant||(f.ids=n.buffer),i.isConstant||(f.sourceValues=i.buffer),f.result=r,l.setBindings(f);let u=r.device.beginComputePass({});return l.dispatch(u,a.x,a.y,a.z),u.end(),r.device.submit(),l.destroy(),{success:!0}}});function N6(t){return`fn segmented_map(vertexIndex: u32) -> array<u32, 2> {
  var low = 0i;
  var high = ${t}i;
  while (low < high) {
    let mid = low + (high - low) / 2i;
    let midStart = read_segments(u32(mid))[0];
    if (midStart <= vertexIndex) {
      low = mid + 1i;
    } else {
      high = mid;
    }
  }

  let segmentIndex = u32(max(low - 1i, 0i));
  let segmentStart = read_segments(segmentIndex)[0];
  return array<u32, 2>(segmentIndex, vertexIndex - segmentStart);
}`}var C1,M1=b(()=>{oe();ns();Df();C1=async({inputs:t,output:e,target:r})=>{let{segments:n}=t,i=n.isConstant?[]:[{name:"segments",input:n,index:0}],s=nr(Math.ceil(e.length/$e),r.device.limits.maxComputeWorkgroupsPerDimension),o=`
${i.map(({name:f,input:u,index:d})=>is(f,u,d)).join(`
`)}
${Km("segments",n,"uint32")}
${ss(e,i.length)}
${os(e)}
${N6(n.length)}

@compute @workgroup_size(${$e}) fn main(
  @builtin(workgroup_id) workgroupId: vec3<u32>,
  @builtin(local_invocation_id) localId: vec3<u32>
) {
  let rowIndex = ${Gr(s,$e)};
  if (rowIndex >= ${e.length}u) {
    return;
  }

  let result = segmented_map(rowIndex);
  write_result(rowIndex, result);
}
`,a=new rt(r.device,{source:o,shaderLayout:{bindings:[...i.map(({name:f,index:u})=>({name:f,type:"storage",group:0,location:u})),{name:"result",type:"storage",group:0,location:i.length}]}}),c=Object.fromEntries(i.map(({name:f,input:u})=>[f,u.buffer]));c.result=r,a.setBindings(c);let l=r.device.beginComputePass({});return a.dispatch(l,s.x,s.y,s.z),l.end(),r.device.submit(),a.destroy(),{success:!0}}});function F6(t,e){let n=e.filter(([,i])=>!i.isConstant).length+1;if(n>t.maxStorageBuffersPerShaderStage)throw new Error(`interleave() requires ${n} storage buffers, exceeding device limit ${t.maxStorageBuffersPerShaderStage}`);if(n>t.maxBindingsPerBindGroup)throw new Error(`interleave() requires ${n} bindings, exceeding bind group limit ${t.maxBindingsPerBindGroup}`)}var Nf,I1=b(()=>{xr();Nf=({inputs:t,output:e,target:r})=>{let n=t.map((c,l)=>[`x${l}`,c]);F6(r.device.limits,n);let i=n.map(([c,l])=>`${c}: array<{TYPE}, ${l.size}>`).join(", "),s=0,o=n.map(([c,l])=>{let f=Array.from({length:l.size},(u,d)=>`  out[${s+d}] = ${c}[${d}];`).join(`
`);return s+=l.size,f}).join(`
`),a=`fn interleave(${i}) -> array<{TYPE}, {RESULT_LEN}> {
  var out: array<{TYPE}, {RESULT_LEN}>;
${o}
  return out;
}
`;return Ie({module:{name:"interleave",source:a},inputs:t,output:e,outputBuffer:r}),{success:!0}}});var z6,R1,k1=b(()=>{xr();z6=`fn row_length(x: array<{TYPE}, {X_LEN}>) -> array<f32, 1> {
  var sum = 0.0;
  for (var i = 0u; i < {X_LEN}u; i = i + 1u) {
    sum += f32(x[i]) * f32(x[i]);
  }
  return array<f32, 1>(sqrt(sum));
}
`,R1=({inputs:t,output:e,target:r})=>(Ie({module:{name:"row_length",source:z6},inputs:t,output:e,operationType:"float32",outputBuffer:r}),{success:!0})});function Qm(t,e,r,n){return r<e.size?`${t}[${r}]`:e.size===1?`${t}[0]`:n}var O1,B1=b(()=>{xr();jn();O1=async({inputs:t,output:e,target:r})=>{let n=Wr(e.type);return Ie({module:{name:"select",source:`// inline expression select
`},inputs:t,output:e,operationType:e.type,outputBuffer:r,expression:i=>{let s=Qm("condition",t.condition,i,n),o=Qm("whenTrue",t.whenTrue,i,n);return`select(${Qm("whenFalse",t.whenFalse,i,n)}, ${o}, ${s} != ${n})`}}),{success:!0}}});var Jm,D1,N1=b(()=>{oe();ns();Jm=64,D1=({inputs:t,output:e,target:r})=>{let n=nr(Math.ceil(e.length/Jm),r.device.limits.maxComputeWorkgroupsPerDimension),i=`@group(0) @binding(0) var<storage, read_write> result: array<i32>;

@compute @workgroup_size(${Jm}) fn main(
  @builtin(workgroup_id) workgroupId: vec3<u32>,
  @builtin(local_invocation_id) localId: vec3<u32>
) {
  let rowIndex = ${Gr(n,Jm)};
  if (rowIndex >= ${e.length}u) {
    return;
  }

  let rowOffset = ${e.offset/e.ValueType.BYTES_PER_ELEMENT}u + rowIndex * ${e.stride/e.ValueType.BYTES_PER_ELEMENT}u;
  result[rowOffset] = ${t.start} + i32(rowIndex) * ${t.step};
}
`,s=new rt(r.device,{source:i,shaderLayout:{bindings:[{name:"result",type:"storage",group:0,location:0}]}});s.setBindings({result:r});let o=r.device.beginComputePass({});return s.dispatch(o,n.x,n.y,n.z),o.end(),r.device.submit(),s.destroy(),{success:!0}}});var F1,z1=b(()=>{xr();F1=({inputs:t,output:e,target:r})=>{let{columns:n}=t;return Ie({module:{name:"swizzle",source:"// swizzle expression handled inline"},expression:i=>`x[${n[i]}]`,inputs:{x:t.x},output:e,outputBuffer:r}),{success:!0}}});var U1={};ir(U1,{arithmetic:()=>g1,dot:()=>_1,equalAll:()=>b1,extent:()=>E1,fround:()=>P1,gather:()=>A1,interleave:()=>Nf,length:()=>R1,segmentedMap:()=>C1,select:()=>O1,sequence:()=>D1,swizzle:()=>F1});var eg=b(()=>{y1();x1();w1();S1();T1();L1();M1();I1();k1();B1();N1();z1()});function E(t,e={},...r){let n=document.createElement(t);for(let[i,s]of Object.entries(e))s==null||s===!1||(i.startsWith("on")?n.addEventListener(i.slice(2),s):i==="class"?n.className=s:i==="hue"?n.style.background=s:i==="wide"?n.style.width=s:n.setAttribute(i,s===!0?"":s));return n.append(...r.flat().filter(i=>i!=null)),n}function W(t){return E("bdi",{},t)}function ke(t,e=!1){let r=t.filter(n=>n&&n[1]!==""&&n[1]!==null);return E("dl",{class:e?"text":null},r.flatMap(([n,i])=>[E("dt",{},n),E("dd",{},i instanceof Node?i:E("bdi",{},String(i)))]))}function I(t){return document.getElementById(t)}var AT="http://www.w3.org/2000/svg";function $(t,e={},...r){let n=document.createElementNS(AT,t);for(let[i,s]of Object.entries(e))n.setAttribute(i,s);return n.append(...r),n}function _u(t,e){for(let[i,s]of e)if(Math.abs(t)>=i)return`${Vg(t/i)} ${s}`;let[r,n]=e[e.length-1];return`${Vg(t/r)} ${n}`}function Vg(t){return Number(t.toPrecision(4)).toLocaleString("en",{maximumFractionDigits:3})}function Z(t){return t.toLocaleString("en")}function de(t){return t===0?"0":_u(t,[[1,"s"],[.001,"ms"],[1e-6,"\xB5s"],[1e-9,"ns"]])}function br(t,e){let r=e>=.01?[.001,"ms"]:[1e-6,"\xB5s"];return`${(t/r[0]).toFixed(e/r[0]>1e3?0:1)} ${r[1]}`}function ms(t){return Number.isFinite(t)?_u(t,[[1e12,"TB/s"],[1e9,"GB/s"],[1e6,"MB/s"],[1,"B/s"]]):"unlimited"}function Ge(t){return _u(t,[[1e12,"TB"],[1e9,"GB"],[1e6,"MB"],[1e3,"kB"],[1,"B"]])}function Zr(t){let e=t*100;return`${e>=10||e===0?e.toFixed(0):Number(e.toPrecision(2))} %`}function gs(t,e,r=`${e}s`){return`${Z(t)} ${t===1?e:r}`}var Wg={picture:["tiers","racks","matrix","flow"],level:["auto","rack","node","link"],theme:["auto","light","dark"],colour:["utilisation","queue","class","plane"],tab:["machine","details","routes","traffic","packets"]};function bu(t){let e=new URLSearchParams;for(let r of Object.keys(Wg))e.set(r,t[r]);if(t.fitted||e.set("view",[t.view.x,t.view.y,t.view.zoom].map(r=>r.toFixed(3)).join(",")),t.hidden.size&&e.set("hidden",[...t.hidden].join(",")),t.selected){let{type:r,id:n,level:i}=t.selected;e.set("selected",r==="line"?`line,${n},${i}`:`${r},${n}`)}return t.from!==null&&e.set("from",t.from),t.to!==null&&e.set("to",t.to),e.set("t",t.time.toExponential(5)),t.lanes&&e.set("ranks",1),t.compare||e.set("single",1),`#${e}`}function jg(t,e){let r=new URLSearchParams(t.replace(/^#/,"")),n={};for(let[a,c]of Object.entries(Wg))c.includes(r.get(a))&&(n[a]=r.get(a));let i=(r.get("view")||"").split(",").map(Number);if(i.length===3&&i.every(Number.isFinite)){let a=Math.min(6,Math.max(-6,i[2]));Object.assign(n,{view:{x:i[0],y:i[1],zoom:a},fitted:!1})}let s=new Set(e.planes.map(a=>a.name));(r.has("hidden")||r.has("t"))&&(n.hidden=new Set((r.get("hidden")||"").split(",").filter(a=>s.has(a)))),n.selected=LT(r.get("selected"),e);for(let a of["from","to"])r.has(a)&&(n[a]=xu(r.get(a),e.endpoints));let o=r.has("t")?Number(r.get("t")):NaN;return o>=0&&o<1/0&&(n.time=o),n.lanes=r.has("ranks"),n.compare=!r.has("single"),n}function xu(t,e){let r=Number(t);return Number.isInteger(r)&&r>=0&&r<e?r:null}function LT(t,e){let[r,n,i]=(t||"").split(","),s={vertex:e.size,group:e.groups.names.length};if(r==="line"&&["rack","node","link"].includes(i)){let a=xu(n,e.linkCount);return a===null?null:{type:r,id:a,level:i}}let o=r in s?xu(n,s[r]):null;return o===null?null:{type:r,id:o}}function ys(t,e){let r=new Uint32Array(e+1);for(let s of t)r[s+1]++;for(let s=0;s<e;s++)r[s+1]+=r[s];let n=r.slice(),i=new Uint32Array(t.length);for(let s=0;s<t.length;s++)i[n[t[s]]++]=s;return{begin:r,list:i}}function Hg(t){let{vertices:e,links:r,groups:n}=t,i=e.names.length,s={name:t.name,planes:t.planes,names:e.names,size:i,endpoints:t.endpoints,kinds:e.kinds,kind:e.kind,package:e.package,group:e.group,vertexGone:e.gone,groups:n,links:r,linkCount:r.src.length,removed:t.removed,sources:t.sources,out:ys(r.src,i),into:ys(r.dst,i),members:ys(e.group,n.names.length),index:new Map(e.names.map((o,a)=>[o,a]))};return s.racks=[...new Set([...n.rack].filter(o=>o>=0))].sort((o,a)=>o-a),s}function Oe(t,e){return t.kinds[t.kind[e]]}function st(t,e){let r=t.links.bandwidths[t.links.bandwidth[e]];return r===null?1/0:r}function Kr(t,e){return t.links.latencies[t.links.latency[e]]}function ti(t){let e={};t.kinds.forEach((i,s)=>{let o=0;for(let a=0;a<t.size;a++)o+=t.kind[a]===s&&!t.vertexGone[a];e[i]=o});let r=t.planes.map(()=>0),n=0;for(let i=0;i<t.linkCount;i++)t.links.gone[i]?n++:r[t.links.plane[i]]++;return{kinds:e,nodes:t.groups.kinds.filter(i=>i==="node").length,racks:t.racks.length,planes:Object.fromEntries(t.planes.map((i,s)=>[i.name,r[s]])),links:t.linkCount-n,goneLinks:n,goneVertices:t.vertexGone.reduce((i,s)=>i+s,0)}}var CT={u1:Uint8Array,u2:Uint16Array,u4:Uint32Array,i4:Int32Array,f4:Float32Array,f8:Float64Array};async function Ya(t){let e=new Blob([MT(t.trim())]).stream().pipeThrough(new DecompressionStream("gzip")),r=await new Response(e).arrayBuffer(),n=new DataView(r).getUint32(0,!0),i=new TextDecoder().decode(new Uint8Array(r,4,n)),s=Math.ceil((4+n)/8)*8;return JSON.parse(i,(o,a)=>{let c=a&&a.$;return c?new CT[c[0]](r,s+c[1],c[2]):a})}function MT(t){let e=atob(t),r=new Uint8Array(e.length);for(let n=0;n<r.length;n++)r[n]=e.charCodeAt(n);return r}var IT=12e3,RT=25;function Yg(t,e){let r=ys(t.resource,Math.max(0,...t.resource)+1);t.live={now:0,calls:0,dropped:0,skipped:0,end:null,lost:null,links:r,marks:[],dead:{marks:-1,of:new Uint8Array(e),version:0}};for(let n of["utilisation","main_label"])t[n]=new Uint8Array(t[n]);t.link_bytes=new Float32Array(t.link_bytes),t.version=0}function qg(t){let e=new EventSource("events"),r=Promise.resolve(),n=i=>{r=r.then(i).catch(s=>{e.close(),t.fail(s)})};e.addEventListener("message",({data:i})=>n(async()=>kT(t,await Ya(i)))),e.addEventListener("end",()=>e.close()),e.addEventListener("error",()=>{e.close(),n(()=>{let{live:i}=t.scenes[0].traffic;i.lost=i.end===null?"the run cannot be reached any more":null,t.store.set({came:t.store.state.came+1})})})}function kT(t,e){let[r]=t.scenes,{traffic:n}=r,{live:i}=n;n.version++,n.duration=e.duration,n.labels=e.labels;for(let a of["now","calls","dropped","skipped","end"])i[a]=e[a];OT(n,e);for(let a=0;a<e.carriers.length;a++){let c=e.carriers[a]+1,l=i.links.begin[c+1]-i.links.begin[c];for(let f=i.links.begin[c];f<i.links.begin[c+1];f++)n.link_bytes[i.links.list[f]]=e.carried[a]/l}n.lanes=BT(n.lanes,e.lanes),n.pairs=e.pairs,i.marks.push(...e.marks),r.cache.use=null;let{state:s}=t.store,o=s.following?{time:i.now,following:i.end===null}:{};t.store.set({came:s.came+1,...o})}function OT(t,{bins:e,utilisation:r,main_label:n,whole:i}){let s=t.utilisation.length/t.bins;if(i){t.utilisation.set(r),t.main_label.set(n);return}for(let o=0;o<s;o++)for(let a=0;a<e.length;a++)t.utilisation[o*t.bins+e[a]]=r[o*e.length+a],t.main_label[o*t.bins+e[a]]=n[o*e.length+a]}function BT(t,e){let r=e.rank.length,n=Math.min(t.rank.length,IT-r),i=(o,a)=>{let c=new a.constructor(n+r);return c.set(o.subarray(o.length-n)),c.set(a,n),c},s={...t};for(let o of["rank","begin","end","what","label","peer"])s[o]=i(DT(t[o],e[o]),e[o]);return s.critical=new Uint8Array(n+r),s}function DT(t,e){return t.constructor===e.constructor?t:new e.constructor(t)}function Xg(t,e){let{dead:r,marks:n}=t.live,i=0;for(;i<n.length&&n[i].at<=e;)i++;if(i!==r.marks){r.of.fill(0);for(let{links:s,share:o}of n.slice(0,i))for(let a of s)r.of[a]=o===0?2:o<1?1:0;r.marks=i,r.version++}return r}function Zg(t){let{live:e,duration:r}=t.scenes[0].traffic,n=I("live");n.hidden=!1;let i=e.end??e.lost,o=[i??"live",`${Z(e.calls)} calls until ${br(e.now,r||1)}`,e.dropped?`${Z(e.dropped)} not shown`:"",e.skipped?`${Z(e.skipped)} frames skipped`:""].filter(Boolean).join(" \xB7 ");n.textContent!==o&&n.replaceChildren(W(o)),n.classList.toggle("over",i!==null)}function Kg(t,e){let r=t.live.marks.filter(i=>i.at<=e);if(!r.length)return[];let n=r.slice(-RT).reverse();return[E("h2",{},"What has happened"),E("ul",{class:"list",id:"marks"},n.map(i=>E("li",{},E("div",{class:"split"},W(i.text),E("span",{},br(i.at,t.duration))))))]}var Ve={black:[0,0,0],orange:[230,159,0],sky:[86,180,233],green:[0,158,115],yellow:[240,228,66],blue:[0,114,178],vermillion:[213,94,0],purple:[204,121,167]},ae={light:{ground:[247,248,250],idle:[190,198,210],rack:[255,255,255],rackEdge:[208,213,221],node:[240,242,245],nodeEdge:[208,213,221],package:[214,219,227],die:[71,84,103],cpu:[152,162,179],onDie:[255,255,255],onCpu:[16,24,40],chip:[255,255,255],chipEdge:[71,84,103],text:[52,64,84],faint:[102,112,133],mark:[16,24,40],gone:Ve.vermillion,planes:[Ve.blue,Ve.orange,Ve.green,Ve.purple,Ve.sky],package_plane:[120,128,140],ramp:[[205,214,224],[145,196,190],[66,150,140],[52,95,141],[68,32,100],[45,0,50]]},dark:{ground:[16,20,28],idle:[70,78,98],rack:[23,28,38],rackEdge:[52,61,77],node:[31,38,50],nodeEdge:[58,68,86],package:[60,70,88],die:[208,215,226],cpu:[128,140,160],onDie:[16,20,28],onCpu:[16,20,28],chip:[31,38,50],chipEdge:[208,215,226],text:[222,228,237],faint:[150,160,178],mark:[255,255,255],gone:Ve.vermillion,planes:[Ve.sky,Ve.orange,Ve.green,Ve.purple,Ve.yellow],package_plane:[150,160,178],ramp:[[55,62,82],[72,70,135],[49,120,142],[40,174,128],[160,218,57],[253,231,37]]}};function qe(t,e,r){if(t.planes[r].name==="package")return e.package_plane;let n=t.planes.slice(0,r).filter(i=>i.name!=="package").length;return e.planes[n%e.planes.length]}function We(t,e){let r=[...t.planes,Ve.vermillion,Ve.yellow,[140,140,140]];return r[e%r.length]}function Qr(t){let e=new Uint8Array(768),r=t.ramp.length-1;for(let n=0;n<256;n++){let i=n/255*r,s=Math.min(Math.floor(i),r-1);for(let o=0;o<3;o++)e[3*n+o]=t.ramp[s][o]+(t.ramp[s+1][o]-t.ramp[s][o])*(i-s)}return e}function G(t){return`rgb(${t[0]},${t[1]},${t[2]})`}function NT(t,e,r){let{src:n,gone:i,plane:s}=t.links,o=new Int32Array(t.size).fill(-1);o[r]=0;let a=[r];for(;a.length;){let c=[];for(let l of a)for(let f=t.into.begin[l];f<t.into.begin[l+1];f++){let u=t.into.list[f],d=n[u];i[u]||s[u]!==e||o[d]>=0||(o[d]=o[l]+1,d>=t.endpoints&&c.push(d))}a=c}return o}function wu(t,e,r,n){let{dst:i,gone:s,plane:o}=t.links,a=[];for(let c=t.out.begin[n];c<t.out.begin[n+1];c++){let l=t.out.list[c];s[l]||o[l]!==e||r[i[l]]>=0&&r[i[l]]===r[n]-1&&a.push(l)}return a}function ri(t,e,r,n,i=256){let s=NT(t,e,n);if(r===n||s[r]<0)return null;let o=new Map,a=new Map([[r,1]]),c=new Map([[r,0]]);for(let u=s[r];u>0;u--){let d=new Map,h=new Map;for(let[p,m]of a){let g=wu(t,e,s,p);for(let y of g){let _=t.links.dst[y];o.set(y,m/g.length),d.set(_,(d.get(_)||0)+m/g.length),h.set(_,Math.max(h.get(_)||0,c.get(p)+Kr(t,y)))}}a=d,c=h}let{count:l,list:f}=FT(t,e,s,r,n,i);return{plane:e,links:o,hops:s[r],latency:c.get(n),count:l,list:f}}function FT(t,e,r,n,i,s){let o=new Map,a=f=>f===i?1:(o.has(f)||o.set(f,wu(t,e,r,f).reduce((u,d)=>u+a(t.links.dst[d]),0)),o.get(f)),c=[],l=(f,u,d,h)=>{let p=f[f.length-1];if(c.length>=s)return;if(p===i){c.push({path:f,weight:u,parallel:d,bandwidth:h});return}let m=wu(t,e,r,p),g=new Map;for(let y of m){let _=g.get(t.links.dst[y])||{n:0,bandwidth:0};_.n++,_.bandwidth=Math.max(_.bandwidth,st(t,y)),g.set(t.links.dst[y],_)}for(let[y,{n:_,bandwidth:x}]of g)l([...f,y],u*_/m.length,d*_,Math.min(h,x))};return l([n],1,1,1/0),{count:a(n),list:c}}var zT={light:Qr(ae.light),dark:Qr(ae.dark)};function ne(t){return t.theme!=="auto"?t.theme:matchMedia("(prefers-color-scheme: dark)").matches?"dark":"light"}function ni(t,e,r){if(e.model===t[0].model)return r;let n=e.model.index.get(t[0].model.names[r]);return n===void 0?-1:n}function _s(t,e){return e>t.duration||!t.duration?-1:Math.min(t.bins-1,Math.floor(e/t.duration*t.bins))}function xs(t,e,r,n){let i=ne(n),{traffic:s}=e,o=s?n.colour:"plane",a=s?_s(s,n.time):0,c=n.from!==null&&n.to!==null,l=new Set(e.model.planes.flatMap((d,h)=>n.hidden.has(d.name)?[h]:[])),f=$T(t,e,r,n.selected),u=s?.live?Xg(s,n.time):null;return{theme:{...ae[i],lineAlpha:i==="dark"?36:30},themeName:i,ramp:zT[i],colour:o,bin:a,hidden:l,dead:u,quiet:c,focus:f&&!c?(d,h)=>f(d,h):null,routes:c?d=>UT(t,{...e,model:d},n,l):null,marks:d=>GT(t,{...e,model:d},n,ae[i]),key:[i,o,o==="plane"?0:a,[...l].join(),c,JSON.stringify(n.selected),s?.live?`${s.version} ${u.version}`:""].join("|")}}function UT(t,e,r,n){let i=ni(t,e,r.from),s=ni(t,e,r.to);if(i<0||s<0)return[];let o=`${i} ${s} ${[...n].join()}`;if(e.cache.routes?.key!==o){let a=e.model.planes.map((c,l)=>n.has(l)?null:ri(e.model,l,i,s,0));e.cache.routes={key:o,value:a.filter(Boolean)}}return e.cache.routes.value}function $T(t,e,r,n){if(!n)return null;if(n.type==="line")return n.level!==r?null:(u,d)=>d===n.id;let{model:i}=e,s=n.type==="group",o=s?-1:ni(t,e,n.id),a=s?Qg(t,e,n.id):i.group[o];if(a===void 0||a<0)return null;if(r==="link")return s?(u,d)=>i.group[u.a[d]]===a||i.group[u.b[d]]===a:(u,d)=>u.a[d]===o||u.b[d]===o;let c=i.groups.names.length,l=i.groups.rack[a],f=r==="rack"&&l>=0?c+l:a;return(u,d)=>u.a[d]===f||u.b[d]===f}function Qg(t,e,r){return e.model===t[0].model?r:e.model.groups.names.indexOf(t[0].model.groups.names[r])}function GT(t,e,r,n){let i=[],s=[],o=(a,c)=>{let l=ni(t,e,a);l>=0&&i.push({v:l,colour:c})};if(r.selected&&r.selected.type==="vertex"&&o(r.selected.id,n.mark),r.selected&&r.selected.type==="group"){let a=Qg(t,e,r.selected.id);a>=0&&s.push(a)}return r.from!==null&&o(r.from,n.mark),r.to!==null&&o(r.to,n.mark),{vertices:i,groups:s}}function Jg(t,e,r,n=()=>!1){let{src:i,dst:s,plane:o,gone:a}=t.links,c=t.planes.length,l=new Map,f=new Int32Array(t.linkCount).fill(-1),u=[],d=[],h={plane:[],links:[],bandwidth:[],gone:[]};for(let m=0;m<t.linkCount;m++){let g=e[i[m]],y=e[s[m]];if(g===y&&!n(g))continue;let _=(Math.min(g,y)*r+Math.max(g,y))*c+o[m],x=l.get(_);x===void 0&&(x=u.length,l.set(_,x),u.push(Math.min(g,y)),d.push(Math.max(g,y)),h.plane.push(o[m]),h.links.push(0),h.bandwidth.push(0),h.gone.push(0)),f[m]=x,h.links[x]++,a[m]?h.gone[x]++:h.bandwidth[x]+=st(t,m)}let p=u.length;return{count:p,a:Uint32Array.from(u),b:Uint32Array.from(d),plane:Uint8Array.from(h.plane),links:Uint32Array.from(h.links),gone:Uint32Array.from(h.gone),bandwidth:Float64Array.from(h.bandwidth),of:f,members:VT(f,p)}}function VT(t,e){let r=new Uint32Array(e+1);for(let s of t)s>=0&&r[s+1]++;for(let s=0;s<e;s++)r[s+1]+=r[s];let n=r.slice(),i=new Uint32Array(r[e]);return t.forEach((s,o)=>{s>=0&&(i[n[s]++]=o)}),{begin:r,list:i}}function ey(t,e){let r=new Uint32Array(t.count+1),n=[];for(let i=0;i<t.count;i++){let s=new Set;for(let o=t.members.begin[i];o<t.members.begin[i+1];o++){let a=e.resource[t.members.list[o]];a>0&&s.add(a-1)}n.push(...s),r[i+1]=n.length}return{begin:r,list:Uint32Array.from(n)}}var ty=["rack","node","link"],qa=42,WT=190,jT=3e3,HT=300;function ry(t,e){return{model:t,traffic:e,layout:null,levels:{},resources:{},cache:{}}}function ny(t,e){t.layout!==e&&Object.assign(t,{layout:e,levels:{},resources:{},cache:{}})}function iy(t,e){let{model:r,layout:n}=t;if(r.linkCount<=(n.tiers?HT:jT))return"link";let i=n.groups.find((o,a)=>o&&r.groups.kinds[a]==="node"),s=(i?i.w:100)*e;return r.racks.length&&s<qa&&!n.tiers?"rack":s<WT?"node":"link"}function be(t,e){if(!t.levels[e]){let{model:r}=t,{place:n,places:i,anchor:s}=YT(t,e),o=e==="node"?t.layout.ends:null,a=Jg(r,n,i,c=>o&&r.groups.kinds[c]==="node");a.source=new Float32Array(2*a.count),a.target=new Float32Array(2*a.count);for(let c=0;c<a.count;c++){if(o){let[p,m]=o(a.a[c],a.b[c],a.plane[c]);a.source.set(p,2*c),a.target.set(m,2*c);continue}let l=e==="link"?0:(a.plane[c]-(r.planes.length-1)/2)*5,[f,u]=s(a.a[c]),[d,h]=s(a.b[c]);a.source.set([f+l,u],2*c),a.target.set([d+l,h],2*c)}t.levels[e]=a}return t.levels[e]}function YT(t,e){let{model:r,layout:n}=t;if(e==="link"){let u=Uint32Array.from({length:r.size},(h,p)=>p),d=h=>[n.position[2*h],n.position[2*h+1]];return{place:u,places:r.size,anchor:d}}let i=r.groups.names.length,s=e==="rack"&&r.racks.length>0,o=Uint32Array.from(r.group,u=>s&&r.groups.rack[u]>=0?i+r.groups.rack[u]:u),a=new Map(n.racks.map(u=>[i+u.id,u])),c=n.groups.filter((u,d)=>r.groups.kinds[d]==="switches"),l=c.reduce((u,d)=>u+d.y+d.h/2,0)/Math.max(1,c.length),f=u=>{let d=a.get(u)||n.groups[u],h=d.x+d.w/2;return!c.length||c.includes(d)?[h,d.y+d.h/2]:[h,d.y+d.h/2<l?d.y+d.h:d.y]};return{place:o,places:i+Math.max(0,...r.racks)+1,anchor:f}}function sy(t,e){return t.resources[e]||(t.resources[e]=ey(be(t,e),t.traffic)),t.resources[e]}function vu(t,e){let{src:r,dst:n,plane:i}=t.links;return`${t.names[r[e]]}->${t.names[n[e]]} (${t.planes[i[e]].name})`}function oy(t,e,r){let{model:n}=t;if(e==="link")return n.names[r];let i=n.groups.names.length;return r<i?n.groups.names[r]:`rack ${r-i}`}function Xa(t,e,r){let n=be(t,e);return`${oy(t,e,n.a[r])} \u2194 ${oy(t,e,n.b[r])}`}function qT(t){let e=t[0],r=t[0];for(let i of t)i<e&&(e=i),i>r&&(r=i);if(e===r)return e;let n=0;for(;e[n]===r[n];)n++;return`${e.slice(0,n)}*`}function Za(t,e){if(e.length===1)return vu(t,e[0]);let r=n=>qT(e.map(i=>t.names[t.links[n][i]]));return`${r("src")}->${r("dst")}`}function ay(t,e){let{src:r,dst:n,plane:i}=t.links,s=[Oe(t,r[e]),Oe(t,n[e])],o={bandwidth:st(t,e),latency:Kr(t,e)};return t.sources.filter(a=>a.plane===i[e]&&(a.kind===""||s.includes(a.kind))&&Math.abs(a.value-o[a.quantity])<=1e-9*a.value).map(a=>({quantity:a.quantity,text:a.text}))}var XT={die:"NPU die",cpu:"CPU socket",gpu:"GPU",host:"host",l1:"L1 UB switch chip",l2:"L2 UB switch chip",qingtian:"Qingtian card",nvswitch:"NVSwitch"};function xt(t){return XT[t]||t}function Su(t,e){let{state:r}=e,n=t[0],i=ae[ne(r)],s=[ZT(n.model,r,e,i),QT(t,i)];n.traffic&&r.colour!=="plane"&&s.push(r3(n,r,i)),I("legend").replaceChildren(...s),I("legend").classList.toggle("flat",t.length>1&&r.compare)}function ZT(t,e,r,n){let i=ti(t).planes;return E("div",{class:"row"},...t.planes.map((s,o)=>{let a=!e.hidden.has(s.name),c=E("i");return c.style.background=G(qe(t,n,o)),E("button",{type:"button",class:"plane","aria-pressed":String(a),"data-plane":s.name,title:`${s.note||`plane ${s.name}`} \xB7 ${Z(i[s.name])} links one way each (key ${o+1})`,onclick:()=>Pu(r,s.name)},c,E("bdi",{},KT(s.name)))}))}function KT(t){return{ub:"UB",rdma:"RDMA",vpc:"VPC",nvlink:"NVLink"}[t]||(t.length>16?`${t.slice(0,15)}\u2026`:t)}function Pu(t,e){let r=new Set(t.state.hidden);r.delete(e)||r.add(e),t.set({hidden:r})}function QT(t,e){let{model:r}=t[0],n=r.kinds.filter((a,c)=>c<40),i=a=>r.kind.indexOf(r.kinds.indexOf(a)),s=[];for(let a of n){if(i(a)>=r.endpoints)continue;let c=G(a==="cpu"?e.cpu:e.die);s.push(Eu(JT(c),xt(a)))}return n.some(a=>i(a)>=r.endpoints)&&s.push(Eu(e3(G(e.chip),G(e.chipEdge)),"switch")),t.some(a=>a.model.vertexGone.includes(1)||a.model.links.gone.includes(1))&&s.push(Eu(t3(G(e.gone)),"taken out")),E("div",{class:"row"},...s.slice(0,6))}function Eu(t,e){return E("span",{class:"key"},t,E("bdi",{},e.length>20?`${e.slice(0,19)}\u2026`:e))}function JT(t){return $("svg",{width:11,height:11},$("rect",{width:11,height:11,fill:t}))}function e3(t,e){return $("svg",{width:12,height:12},$("circle",{cx:6,cy:6,r:5,fill:t,stroke:e,"stroke-width":1.5}))}function t3(t){return $("svg",{width:12,height:12},$("path",{d:"M2 2L10 10M10 2L2 10",stroke:t,"stroke-width":2}),$("circle",{cx:6,cy:6,r:5,fill:"none",stroke:t,"stroke-width":1.2}))}function r3(t,e,r){let{traffic:n}=t;if(e.colour==="class")return E("div",{class:"row"},...n.labels.slice(0,8).map((l,f)=>{let u=E("i",{class:"swatch"});return u.style.background=G(We(r,f)),E("span",{class:"key"},u,E("bdi",{},l))}));let i=E("canvas",{width:256,height:1}),s=i.getContext("2d"),o=s.createImageData(256,1),a=Qr(r);for(let l=0;l<256;l++)o.data.set([a[3*l],a[3*l+1],a[3*l+2],255],4*l);s.putImageData(o,0,0);let c=e.colour==="queue";return E("div",{class:"ramp",title:c?"Seconds that the link still needs for what has set out":"Fraction of the bandwidth in use; a bundle shows its busiest link"},E("span",{},c?"queue 0":"idle"),i,E("span",{},c?de(n.most_backlog):"full"))}function wr(t,e){if(!t)throw new Error(e||"loader assertion failed.")}var Rt={self:typeof self<"u"&&self,window:typeof window<"u"&&window,global:typeof global<"u"&&global,document:typeof document<"u"&&document},n3=Rt.self||Rt.window||Rt.global||{},i3=Rt.window||Rt.self||Rt.global||{},s3=Rt.global||Rt.self||Rt.window||{},o3=Rt.document||{};var Jr=!!(typeof process!="object"||String(process)!=="[object process]"||process.browser);var cy=typeof process<"u"&&process.version&&/v([0-9]*)/.exec(process.version),a3=cy&&parseFloat(cy[1])||0;ws();var Du="4.5.4",m3=Du[0]>="0"&&Du[0]<="9"?`v${Du}`:"";function g3(){let t=new Be({id:"loaders.gl"});return globalThis.loaders||={},globalThis.loaders.log=t,globalThis.loaders.version=m3,globalThis.probe||={},globalThis.probe.loaders=t,t}var Nu=g3();var y3=t=>typeof t=="boolean",Ot=t=>typeof t=="function",Bt=t=>t!==null&&typeof t=="object",nc=t=>Bt(t)&&t.constructor==={}.constructor;var Fu=t=>typeof SharedArrayBuffer<"u"&&t instanceof SharedArrayBuffer,oi=t=>Bt(t)&&typeof t.byteLength=="number"&&typeof t.slice=="function";var zu=t=>!!t&&Ot(t[Symbol.iterator]),Uu=t=>!!t&&Ot(t[Symbol.asyncIterator]);var Ze=t=>typeof Response<"u"&&t instanceof Response||Bt(t)&&Ot(t.arrayBuffer)&&Ot(t.text)&&Ot(t.json);var Ke=t=>typeof Blob<"u"&&t instanceof Blob;var Sy=t=>typeof ReadableStream<"u"&&t instanceof ReadableStream||Bt(t)&&Ot(t.tee)&&Ot(t.cancel)&&Ot(t.getReader);var Py=t=>Bt(t)&&Ot(t.read)&&Ot(t.pipe)&&y3(t.readable),vs=t=>Sy(t)||Py(t);function $u(t,e){return Ty(t||{},e)}function Ty(t,e,r=0){if(r>3)return e;let n={...t};for(let[i,s]of Object.entries(e))s&&typeof s=="object"&&!Array.isArray(s)?n[i]=Ty(n[i]||{},e[i],r+1):n[i]=e[i];return n}var Ay="latest";function _3(){return globalThis._loadersgl_?.version||(globalThis._loadersgl_=globalThis._loadersgl_||{},globalThis._loadersgl_.version="4.5.4"),globalThis._loadersgl_.version}var Ly=_3();function De(t,e){if(!t)throw new Error(e||"loaders.gl assertion failed.")}var Dt={self:typeof self<"u"&&self,window:typeof window<"u"&&window,global:typeof global<"u"&&global,document:typeof document<"u"&&document},mG=Dt.self||Dt.window||Dt.global||{},gG=Dt.window||Dt.self||Dt.global||{},yG=Dt.global||Dt.self||Dt.window||{},_G=Dt.document||{};var ot=typeof process!="object"||String(process)!=="[object process]"||process.browser;var My=typeof window<"u"&&typeof window.orientation<"u",Cy=typeof process<"u"&&process.version&&/v([0-9]*)/.exec(process.version),xG=Cy&&parseFloat(Cy[1])||0;var Es=class{name;workerThread;isRunning=!0;result;_resolve=()=>{};_reject=()=>{};constructor(e,r){this.name=e,this.workerThread=r,this.result=new Promise((n,i)=>{this._resolve=n,this._reject=i})}postMessage(e,r){this.workerThread.postMessage({source:"loaders.gl",type:e,payload:r})}done(e){De(this.isRunning),this.isRunning=!1,this._resolve(e)}error(e){De(this.isRunning),this.isRunning=!1,this._reject(e)}};var ai=class{terminate(){}};var Gu=new Map;function Iy(t){De(t.source&&!t.url||!t.source&&t.url);let e=Gu.get(t.source||t.url);return e||(t.url&&(e=x3(t.url),Gu.set(t.url,e)),t.source&&(e=Ry(t.source),Gu.set(t.source,e))),De(e),e}function x3(t){if(!t.startsWith("http"))return t;let e=b3(t);return Ry(e)}function Ry(t){let e=new Blob([t],{type:"application/javascript"});return URL.createObjectURL(e)}function b3(t){return`try {
  importScripts('${t}');
} catch (error) {
  console.error(error);
  throw error;
}`}function Vu(t,e=!0,r){let n=r||new Set;if(t){if(ky(t))n.add(t);else if(ky(t.buffer))n.add(t.buffer);else if(!ArrayBuffer.isView(t)){if(e&&typeof t=="object")for(let i in t)Vu(t[i],e,n)}}return r===void 0?Array.from(n):[]}function ky(t){return t?t instanceof ArrayBuffer||typeof MessagePort<"u"&&t instanceof MessagePort||typeof ImageBitmap<"u"&&t instanceof ImageBitmap||typeof OffscreenCanvas<"u"&&t instanceof OffscreenCanvas:!1}var Wu=()=>{},vr=class{name;source;url;terminated=!1;worker;onMessage;onError;_loadableURL="";static isSupported(){return typeof Worker<"u"&&ot||typeof ai<"u"&&!ot}constructor(e){let{name:r,source:n,url:i}=e;De(n||i),this.name=r,this.source=n,this.url=i,this.onMessage=Wu,this.onError=s=>console.log(s),this.worker=ot?this._createBrowserWorker():this._createNodeWorker()}destroy(){this.onMessage=Wu,this.onError=Wu,this.worker.terminate(),this.terminated=!0}get isRunning(){return!!this.onMessage}postMessage(e,r){r=r||Vu(e),this.worker.postMessage(e,r)}_getErrorFromErrorEvent(e){let r="Failed to load ";return r+=`worker ${this.name} from ${this.url}. `,e.message&&(r+=`${e.message} in `),e.lineno&&(r+=`:${e.lineno}:${e.colno}`),new Error(r)}_createBrowserWorker(){this._loadableURL=Iy({source:this.source,url:this.url});let e=new Worker(this._loadableURL,{name:this.name});return e.onmessage=r=>{r.data?this.onMessage(r.data):this.onError(new Error("No data received"))},e.onerror=r=>{this.onError(this._getErrorFromErrorEvent(r)),this.terminated=!0},e.onmessageerror=r=>console.error(r),e}_createNodeWorker(){let e;if(this.url){let n=this.url.includes(":/")||this.url.startsWith("/")?this.url:`./${this.url}`,i=this.url.endsWith(".ts")||this.url.endsWith(".mjs")?"module":"commonjs";e=new ai(n,{eval:!1,type:i})}else if(this.source)e=new ai(this.source,{eval:!0});else throw new Error("no worker");return e.on("message",r=>{this.onMessage(r)}),e.on("error",r=>{this.onError(r)}),e.on("exit",r=>{}),e}};var Ss=class{name="unnamed";source;url;maxConcurrency=1;maxMobileConcurrency=1;onDebug=()=>{};reuseWorkers=!0;props={};jobQueue=[];idleQueue=[];count=0;isDestroyed=!1;static isSupported(){return vr.isSupported()}constructor(e){this.source=e.source,this.url=e.url,this.setProps(e)}destroy(){this.idleQueue.forEach(e=>e.destroy()),this.isDestroyed=!0}setProps(e){this.props={...this.props,...e},e.name!==void 0&&(this.name=e.name),e.maxConcurrency!==void 0&&(this.maxConcurrency=e.maxConcurrency),e.maxMobileConcurrency!==void 0&&(this.maxMobileConcurrency=e.maxMobileConcurrency),e.reuseWorkers!==void 0&&(this.reuseWorkers=e.reuseWorkers),e.onDebug!==void 0&&(this.onDebug=e.onDebug)}async startJob(e,r=(i,s,o)=>i.done(o),n=(i,s)=>i.error(s)){let i=new Promise(s=>(this.jobQueue.push({name:e,onMessage:r,onError:n,onStart:s}),this));return this._startQueuedJob(),await i}async _startQueuedJob(){if(!this.jobQueue.length)return;let e=this._getAvailableWorker();if(!e)return;let r=this.jobQueue.shift();if(r){this.onDebug({message:"Starting job",name:r.name,workerThread:e,backlog:this.jobQueue.length});let n=new Es(r.name,e);e.onMessage=i=>r.onMessage(n,i.type,i.payload),e.onError=i=>r.onError(n,i),r.onStart(n);try{await n.result}catch(i){console.error(`Worker exception: ${i}`)}finally{this.returnWorkerToQueue(e)}}}returnWorkerToQueue(e){!ot||this.isDestroyed||!this.reuseWorkers||this.count>this._getMaxConcurrency()?(e.destroy(),this.count--):this.idleQueue.push(e),this.isDestroyed||this._startQueuedJob()}_getAvailableWorker(){if(this.idleQueue.length>0)return this.idleQueue.shift()||null;if(this.count<this._getMaxConcurrency()){this.count++;let e=`${this.name.toLowerCase()} (#${this.count} of ${this.maxConcurrency})`;return new vr({name:e,source:this.source,url:this.url})}return null}_getMaxConcurrency(){return My?this.maxMobileConcurrency:this.maxConcurrency}};var w3={maxConcurrency:3,maxMobileConcurrency:1,reuseWorkers:!0,onDebug:()=>{}},rn=class t{props;workerPools=new Map;static _workerFarm;static isSupported(){return vr.isSupported()}static getWorkerFarm(e={}){return t._workerFarm=t._workerFarm||new t({}),t._workerFarm.setProps(e),t._workerFarm}constructor(e){this.props={...w3},this.setProps(e),this.workerPools=new Map}destroy(){for(let e of this.workerPools.values())e.destroy();this.workerPools=new Map}setProps(e){this.props={...this.props,...e};for(let r of this.workerPools.values())r.setProps(this._getWorkerPoolProps())}getWorkerPool(e){let{name:r,source:n,url:i}=e,s=this.workerPools.get(r);return s||(s=new Ss({name:r,source:n,url:i}),s.setProps(this._getWorkerPoolProps()),this.workerPools.set(r,s)),s}_getWorkerPoolProps(){return{maxConcurrency:this.props.maxConcurrency,maxMobileConcurrency:this.props.maxMobileConcurrency,reuseWorkers:this.props.reuseWorkers,onDebug:this.props.onDebug}}};function ju(t,e={}){let r=e[t.id]||{},n=ot?t.workerFile||`${t.id}-worker.js`:`${t.id}-worker-node.js`,i=r.workerUrl;if(!i&&t.id==="compression"&&(i=e.workerUrl),(e._workerType||e?.core?._workerType)==="test"&&(ot?i=`modules/${t.module}/dist/${n}`:i=`modules/${t.module}/src/workers/${t.id}-worker-node.ts`),!i){let o=t.version;o==="latest"&&(o=Ay);let a=o?`@${o}`:"";i=`https://unpkg.com/@loaders.gl/${t.module}${a}/dist/${n}`}return De(i),i}function Hu(t,e=Ly){De(t,"no worker provided");let r=t.version;return!(!e||!r)}function Yu(t,e){if(!rn.isSupported())return!1;let r=e?._nodeWorkers??e?.core?._nodeWorkers;if(!ot&&!r)return!1;let n=e?.worker??e?.core?.worker;return!!(t.worker&&n)}async function qu(t,e,r,n,i){let s=t.id,o=ju(t,r),c=rn.getWorkerFarm(r?.core).getWorkerPool({name:s,url:o});r=JSON.parse(JSON.stringify(r||{})),r._workerLoaderId=t.id,n=JSON.parse(JSON.stringify(n||{}));let l=await c.startJob("process-on-worker",v3.bind(null,i));return l.postMessage("process",{input:e,options:r,context:n}),await(await l.result).result}async function v3(t,e,r,n){switch(r){case"done":e.done(n);break;case"error":e.error(new Error(n.error));break;case"process":let{id:i,input:s,options:o}=n;try{let a=await t(s,o);e.postMessage("done",{id:i,result:a})}catch(a){let c=a instanceof Error?a.message:"unknown error";e.postMessage("error",{id:i,error:c})}break;default:console.warn(`parse-with-worker unknown message ${r}`)}}function Xu(t,e,r){if(r=r||t.byteLength,t.byteLength<r||e.byteLength<r)return!1;let n=new Uint8Array(t),i=new Uint8Array(e);for(let s=0;s<n.length;++s)if(n[s]!==i[s])return!1;return!0}function Zu(...t){return Oy(t)}function Oy(t){let e=t.map(s=>s instanceof ArrayBuffer?new Uint8Array(s):s),r=e.reduce((s,o)=>s+o.byteLength,0),n=new Uint8Array(r),i=0;for(let s of e)n.set(s,i),i+=s.byteLength;return n.buffer}async function Ku(t){let e=[];for await(let r of t)e.push(E3(r));return Zu(...e)}function E3(t){if(t instanceof ArrayBuffer)return t;if(ArrayBuffer.isView(t)){let{buffer:e,byteOffset:r,byteLength:n}=t;return By(e,r,n)}return By(t)}function By(t,e=0,r=t.byteLength-e){let n=new Uint8Array(t,e,r),i=new Uint8Array(n.length);return i.set(n),i.buffer}var S3="",Ny={};function ed(t){for(let e in Ny)if(t.startsWith(e)){let r=Ny[e];t=t.replace(e,r)}return!t.startsWith("http://")&&!t.startsWith("https://")&&(t=`${S3}${t}`),t}function sc(t){return t&&typeof t=="object"&&t.isBuffer}function ci(t){if(sc(t))return t;if(t instanceof ArrayBuffer)return t;if(Fu(t))return ic(t);if(ArrayBuffer.isView(t)){let e=t.buffer;return t.byteOffset===0&&t.byteLength===t.buffer.byteLength?e:e.slice(t.byteOffset,t.byteOffset+t.byteLength)}if(typeof t=="string"){let e=t;return new TextEncoder().encode(e).buffer}if(t&&typeof t=="object"&&t._toArrayBuffer)return t._toArrayBuffer();throw new Error("toArrayBuffer")}function As(t){if(t instanceof ArrayBuffer)return t;if(Fu(t))return ic(t);let{buffer:e,byteOffset:r,byteLength:n}=t;return e instanceof ArrayBuffer&&r===0&&n===e.byteLength?e:ic(e,r,n)}function ic(t,e=0,r=t.byteLength-e){let n=new Uint8Array(t,e,r),i=new Uint8Array(n.length);return i.set(n),i.buffer}function td(t){return ArrayBuffer.isView(t)?t:new Uint8Array(t)}var sr={};ir(sr,{dirname:()=>T3,filename:()=>P3,join:()=>A3,resolve:()=>L3});function Fy(){if(typeof process<"u"&&typeof process.cwd<"u")return process.cwd();let t=window.location?.pathname;return t?.slice(0,t.lastIndexOf("/")+1)||""}function P3(t){let e=t?t.lastIndexOf("/"):-1;return e>=0?t.substr(e+1):t}function T3(t){let e=t?t.lastIndexOf("/"):-1;return e>=0?t.substr(0,e):""}function A3(...t){return t=t.map((r,n)=>(n&&(r=r.replace(new RegExp("^/"),"")),n!==t.length-1&&(r=r.replace(new RegExp("/$"),"")),r)),t.join("/")}function L3(...t){let e=[];for(let s=0;s<t.length;s++)e[s]=t[s];let r="",n=!1,i;for(let s=e.length-1;s>=-1&&!n;s--){let o;s>=0?o=e[s]:(i===void 0&&(i=Fy()),o=i),o.length!==0&&(r=`${o}/${r}`,n=o.charCodeAt(0)===Ls)}return r=C3(r,!n),n?`/${r}`:r.length>0?r:"."}var Ls=47,rd=46;function C3(t,e){let r="",n=-1,i=0,s,o=!1;for(let a=0;a<=t.length;++a){if(a<t.length)s=t.charCodeAt(a);else{if(s===Ls)break;s=Ls}if(s===Ls){if(!(n===a-1||i===1))if(n!==a-1&&i===2){if(r.length<2||!o||r.charCodeAt(r.length-1)!==rd||r.charCodeAt(r.length-2)!==rd){if(r.length>2){let c=r.length-1,l=c;for(;l>=0&&r.charCodeAt(l)!==Ls;--l);if(l!==c){r=l===-1?"":r.slice(0,l),n=a,i=0,o=!1;continue}}else if(r.length===2||r.length===1){r="",n=a,i=0,o=!1;continue}}e&&(r.length>0?r+="/..":r="..",o=!0)}else{let c=t.slice(n+1,a);r.length>0?r+=`/${c}`:r=c,o=!1}n=a,i=0}else s===rd&&i!==-1?++i:i=-1}return r}var oc=class extends Error{constructor(e,r){super(e),this.reason=r.reason,this.url=r.url,this.response=r.response}reason;url;response};var R3=/^data:([-\w.]+\/[-\w.+]+)(;|,)/,k3=/^([-\w.]+\/[-\w.+]+)/;function nd(t,e){return t.toLowerCase()===e.toLowerCase()}function zy(t){let e=k3.exec(t);return e?e[1]:t}function id(t){let e=R3.exec(t);return e?e[1]:""}var Uy=/\?.*/;function $y(t){let e=t.match(Uy);return e&&e[0]}function Er(t){return t.replace(Uy,"")}function Gy(t){if(t.length<50)return t;let e=t.slice(t.length-15);return`${t.substr(0,32)}...${e}`}function sn(t){return Ze(t)?t.url:Ke(t)?("name"in t?t.name:"")||"":typeof t=="string"?t:""}function li(t){if(Ze(t)){let e=t.headers.get("content-type")||"",r=Er(t.url);return zy(e)||id(r)}return Ke(t)?t.type||"":typeof t=="string"?id(t):""}function Vy(t){return Ze(t)?t.headers["content-length"]||-1:Ke(t)?t.size:typeof t=="string"?t.length:t instanceof ArrayBuffer||ArrayBuffer.isView(t)?t.byteLength:-1}async function ac(t){if(Ze(t))return t;let e={},r=Vy(t);r>=0&&(e["content-length"]=String(r));let n=sn(t),i=li(t);i&&(e["content-type"]=i);let s=await B3(t);s&&(e["x-first-bytes"]=s),typeof t=="string"&&(t=new TextEncoder().encode(t));let o=new Response(t,{headers:e});return Object.defineProperty(o,"url",{value:n}),o}async function Wy(t){if(!t.ok)throw await O3(t)}async function O3(t){let e=Gy(t.url),r=`Failed to fetch resource (${t.status}) ${t.statusText}: ${e}`;r=r.length>100?`${r.slice(0,100)}...`:r;let n={reason:t.statusText,url:t.url,response:t};try{let i=t.headers.get("Content-Type");n.reason=!t.bodyUsed&&i?.includes("application/json")?await t.json():await t.text()}catch{}return new oc(r,n)}async function B3(t){if(typeof t=="string")return`data:,${t.slice(0,5)}`;if(t instanceof Blob){let r=t.slice(0,5);return await new Promise(n=>{let i=new FileReader;i.onload=s=>n(s?.target?.result),i.readAsDataURL(r)})}if(t instanceof ArrayBuffer){let r=t.slice(0,5);return`data:base64,${D3(r)}`}return null}function D3(t){let e="",r=new Uint8Array(t);for(let n=0;n<r.byteLength;n++)e+=String.fromCharCode(r[n]);return btoa(e)}function N3(t){return!F3(t)&&!z3(t)}function F3(t){return t.startsWith("http:")||t.startsWith("https:")}function z3(t){return t.startsWith("data:")}async function sd(t,e){if(typeof t=="string"){let r=ed(t);return N3(r)&&globalThis.loaders?.fetchNode?globalThis.loaders?.fetchNode(r,e):await fetch(r,e)}return await ac(t)}ws();var Cs=new Be({id:"loaders.gl"}),cc=class{log(){return()=>{}}info(){return()=>{}}warn(){return()=>{}}error(){return()=>{}}},lc=class{console;constructor(){this.console=console}log(...e){return this.console.log.bind(this.console,...e)}info(...e){return this.console.info.bind(this.console,...e)}warn(...e){return this.console.warn.bind(this.console,...e)}error(...e){return this.console.error.bind(this.console,...e)}};var fc={core:{baseUrl:void 0,fetch:null,mimeType:void 0,fallbackMimeType:void 0,ignoreRegisteredLoaders:void 0,nothrow:!1,log:new lc,useLocalLibraries:!1,CDN:"https://unpkg.com/@loaders.gl",worker:!0,maxConcurrency:3,maxMobileConcurrency:1,reuseWorkers:Jr,_nodeWorkers:!1,_workerType:"",limit:0,_limitMB:0,batchSize:"auto",batchDebounceMs:0,metadata:!1,transforms:[]}},jy={baseUri:"core.baseUrl",fetch:"core.fetch",mimeType:"core.mimeType",fallbackMimeType:"core.fallbackMimeType",ignoreRegisteredLoaders:"core.ignoreRegisteredLoaders",nothrow:"core.nothrow",log:"core.log",useLocalLibraries:"core.useLocalLibraries",CDN:"core.CDN",worker:"core.worker",maxConcurrency:"core.maxConcurrency",maxMobileConcurrency:"core.maxMobileConcurrency",reuseWorkers:"core.reuseWorkers",_nodeWorkers:"core.nodeWorkers",_workerType:"core._workerType",_worker:"core._workerType",limit:"core.limit",_limitMB:"core._limitMB",batchSize:"core.batchSize",batchDebounceMs:"core.batchDebounceMs",metadata:"core.metadata",transforms:"core.transforms",throws:"nothrow",dataType:"(no longer used)",uri:"core.baseUrl",method:"core.fetch.method",headers:"core.fetch.headers",body:"core.fetch.body",mode:"core.fetch.mode",credentials:"core.fetch.credentials",cache:"core.fetch.cache",redirect:"core.fetch.redirect",referrer:"core.fetch.referrer",referrerPolicy:"core.fetch.referrerPolicy",integrity:"core.fetch.integrity",keepalive:"core.fetch.keepalive",signal:"core.fetch.signal"};var od=["baseUrl","fetch","mimeType","fallbackMimeType","ignoreRegisteredLoaders","nothrow","log","useLocalLibraries","CDN","worker","maxConcurrency","maxMobileConcurrency","reuseWorkers","_nodeWorkers","_workerType","limit","_limitMB","batchSize","batchDebounceMs","metadata","transforms"];function ad(){globalThis.loaders=globalThis.loaders||{};let{loaders:t}=globalThis;return t._state||(t._state={}),t._state}function cd(){let t=ad();return t.globalOptions=t.globalOptions||{...fc,core:{...fc.core}},or(t.globalOptions)}function qy(t,e,r,n){return r=r||[],r=Array.isArray(r)?r:[r],U3(t,r),or(G3(e,t,n))}function or(t){let e=W3(t);Xy(e);for(let r of od)e.core&&e.core[r]!==void 0&&delete e[r];return e.core&&e.core._workerType!==void 0&&delete e._worker,e}function U3(t,e){Hy(t,null,fc,jy,e);for(let r of e){let n=t&&t[r.id]||{},i=r.options&&r.options[r.id]||{},s=r.deprecatedOptions&&r.deprecatedOptions[r.id]||{};Hy(n,r.id,i,s,e)}}function Hy(t,e,r,n,i){let s=e||"Top level",o=e?`${e}.`:"";for(let a in t){let c=!e&&Bt(t[a]),l=a==="baseUri"&&!e,f=a==="workerUrl"&&e;if(!(a in r)&&!l&&!f){if(a in n)Cs.level>0&&Cs.warn(`${s} loader option '${o}${a}' no longer supported, use '${n[a]}'`)();else if(!c&&Cs.level>0){let u=$3(a,i);Cs.warn(`${s} loader option '${o}${a}' not recognized. ${u}`)()}}}}function $3(t,e){let r=t.toLowerCase(),n="";for(let i of e)for(let s in i.options){if(t===s)return`Did you mean '${i.id}.${s}'?`;let o=s.toLowerCase();(r.startsWith(o)||o.startsWith(r))&&(n=n||`Did you mean '${i.id}.${s}'?`)}return n}function G3(t,e,r){let n=t.options||{},i={...n};n.core&&(i.core={...n.core}),Xy(i),i.core?.log===null&&(i.core={...i.core,log:new cc}),Yy(i,or(cd()));let s=or(e);return Yy(i,s),V3(i,r),j3(i),i}function Yy(t,e){for(let r in e)if(r in e){let n=e[r];nc(n)&&nc(t[r])?t[r]={...t[r],...e[r]}:t[r]=e[r]}}function V3(t,e){if(!e)return;t.core?.baseUrl!==void 0||(t.core||={},t.core.baseUrl=sr.dirname(Er(e)))}function W3(t){let e={...t};return t.core&&(e.core={...t.core}),e}function Xy(t){t.baseUri!==void 0&&(t.core||={},t.core.baseUrl===void 0&&(t.core.baseUrl=t.baseUri));for(let r of od)if(t[r]!==void 0){let i=t.core=t.core||{};i[r]===void 0&&(i[r]=t[r])}let e=t._worker;e!==void 0&&(t.core||={},t.core._workerType===void 0&&(t.core._workerType=e))}function j3(t){let e=t.core;if(e)for(let r of od)e[r]!==void 0&&(t[r]=e[r])}function Ms(t){return t?(Array.isArray(t)&&(t=t[0]),Array.isArray(t?.extensions)):!1}function Is(t){wr(t,"null loader"),wr(Ms(t),"invalid loader");let e;return Array.isArray(t)&&(e=t[1],t=t[0],t={...t,options:{...t.options,...e}}),(t?.parseTextSync||t?.parseText)&&(t.text=!0),t.text||(t.binary=!0),t}var Zy=()=>{let t=ad();return t.loaderRegistry=t.loaderRegistry||[],t.loaderRegistry};function ld(t){let e=Zy();t=Array.isArray(t)?t:[t];for(let r of t){let n=Is(r);e.find(i=>n===i)||e.unshift(n)}}function Ky(){return Zy()}var H3=/\.([^.]+)$/;async function e_(t,e=[],r,n){if(!t_(t))return null;let i=or(r||{});if(i.core||={},t instanceof Response&&Qy(t)){let o=await t.clone().text(),a=uc(o,e,{...i,core:{...i.core,nothrow:!0}},n);if(a)return a}let s=uc(t,e,{...i,core:{...i.core,nothrow:!0}},n);if(s)return s;if(Ke(t)&&(t=await t.slice(0,10).arrayBuffer(),s=uc(t,e,i,n)),!s&&t instanceof Response&&Qy(t)){let o=await t.clone().text();s=uc(o,e,i,n)}if(!s&&!i.core.nothrow)throw new Error(r_(t));return s}function Qy(t){let e=li(t);return!!(e&&(e.startsWith("text/")||e==="application/json"||e.endsWith("+json")))}function uc(t,e=[],r,n){if(!t_(t))return null;let i=or(r||{});if(i.core||={},e&&!Array.isArray(e))return Is(e);let s=[];e&&(s=s.concat(e)),i.core.ignoreRegisteredLoaders||s.push(...Ky()),q3(s);let o=Y3(t,s,i,n);if(!o&&!i.core.nothrow)throw new Error(r_(t));return o}function Y3(t,e,r,n){let i=sn(t),s=li(t),o=Er(i)||n?.url,a=null,c="";return r?.core?.mimeType&&(a=fd(e,r?.core?.mimeType),c=`match forced by supplied MIME type ${r?.core?.mimeType}`),a=a||X3(e,o),c=c||(a?`matched url ${o}`:""),a=a||fd(e,s),c=c||(a?`matched MIME type ${s}`:""),a=a||K3(e,t),c=c||(a?`matched initial data ${n_(t)}`:""),r?.core?.fallbackMimeType&&(a=a||fd(e,r?.core?.fallbackMimeType),c=c||(a?`matched fallback MIME type ${s}`:"")),c&&Nu.log(1,`selectLoader selected ${a?.name}: ${c}.`),a}function t_(t){return!(t instanceof Response&&t.status===204)}function r_(t){let e=sn(t),r=li(t),n="No valid loader found (";n+=e?`${sr.filename(e)}, `:"no url provided, ",n+=`MIME type: ${r?`"${r}"`:"not provided"}, `;let i=t?n_(t):"";return n+=i?` first bytes: "${i}"`:"first bytes: not available",n+=")",n}function q3(t){for(let e of t)Is(e)}function X3(t,e){let r=e&&H3.exec(e),n=r&&r[1];return n?Z3(t,n):null}function Z3(t,e){e=e.toLowerCase();for(let r of t)for(let n of r.extensions)if(n.toLowerCase()===e)return r;return null}function fd(t,e){for(let r of t)if(r.mimeTypes?.some(n=>nd(e,n))||nd(e,`application/x.${r.id}`))return r;return null}function K3(t,e){if(!e)return null;for(let r of t)if(typeof e=="string"){if(Q3(e,r))return r}else if(ArrayBuffer.isView(e)){if(Jy(e.buffer,e.byteOffset,r))return r}else if(e instanceof ArrayBuffer&&Jy(e,0,r))return r;return null}function Q3(t,e){return e.testText?e.testText(t):(Array.isArray(e.tests)?e.tests:[e.tests]).some(n=>t.startsWith(n))}function Jy(t,e,r){return(Array.isArray(r.tests)?r.tests:[r.tests]).some(i=>J3(t,e,r,i))}function J3(t,e,r,n){if(oi(n))return Xu(n,t,n.byteLength);switch(typeof n){case"function":return n(As(t));case"string":let i=ud(t,e,n.length);return n===i;default:return!1}}function n_(t,e=5){return typeof t=="string"?t.slice(0,e):ArrayBuffer.isView(t)?ud(t.buffer,t.byteOffset,e):t instanceof ArrayBuffer?ud(t,0,e):""}function ud(t,e,r){if(t.byteLength<e+r)return"";let n=new DataView(t),i="";for(let s=0;s<r;s++)i+=String.fromCharCode(n.getUint8(e+s));return i}var eA=256*1024;function*i_(t,e){let r=e?.chunkSize||eA,n=0,i=new TextEncoder;for(;n<t.length;){let s=Math.min(t.length-n,r),o=t.slice(n,n+s);n+=s,yield As(i.encode(o))}}function*s_(t,e={}){let{chunkSize:r=262144}=e,n=0;for(;n<t.byteLength;){let i=Math.min(t.byteLength-n,r),s=new ArrayBuffer(i),o=new Uint8Array(t,n,i);new Uint8Array(s).set(o),n+=i,yield s}}async function*o_(t,e){let r=e?.chunkSize||1048576,n=0;for(;n<t.size;){let i=n+r,s=await t.slice(n,i).arrayBuffer();n=i,yield s}}function dd(t,e){return Jr?tA(t,e):rA(t,e)}async function*tA(t,e){let r=t.getReader(),n;try{for(;;){let i=n||r.read();e?._streamReadAhead&&(n=r.read());let{done:s,value:o}=await i;if(s)return;yield ci(o)}}catch{r.releaseLock()}}async function*rA(t,e){for await(let r of t)yield ci(r)}function a_(t,e){if(typeof t=="string")return i_(t,e);if(t instanceof ArrayBuffer)return s_(t,e);if(Ke(t))return o_(t,e);if(vs(t))return dd(t,e);if(Ze(t)){let r=t.body;if(!r)throw new Error("Readable stream not available on Response");return dd(r,e)}throw new Error("makeIterator")}var c_="Cannot convert supplied data type";function nA(t,e,r){if(e.text&&typeof t=="string")return t;if(sc(t)&&(t=t.buffer),oi(t)){let n=td(t);return e.text&&!e.binary?new TextDecoder("utf8").decode(n):ci(n)}throw new Error(c_)}async function l_(t,e,r){if(typeof t=="string"||oi(t))return nA(t,e,r);if(Ke(t)&&(t=await ac(t)),Ze(t))return await Wy(t),e.binary?await t.arrayBuffer():await t.text();if(vs(t)&&(t=a_(t,r)),zu(t)||Uu(t))return Ku(t);throw new Error(c_)}function dc(t,e){let r=cd(),n=t||r,i=n.fetch??n.core?.fetch;return typeof i=="function"?i:Bt(i)?s=>sd(s,i):e?.fetch?e?.fetch:sd}function f_(t,e,r){if(r)return r;let n={fetch:dc(e,t),...t};if(n.url){let i=Er(n.url);n.baseUrl=i,n.queryString=$y(n.url),n.filename=sr.filename(i),n.baseUrl=sr.dirname(i)}return Array.isArray(n.loaders)||(n.loaders=null),n}function u_(t,e){if(t&&!Array.isArray(t))return t;let r;if(t&&(r=Array.isArray(t)?t:[t]),e&&e.loaders){let n=Array.isArray(e.loaders)?e.loaders:[e.loaders];r=r?[...r,...n]:n}return r&&r.length?r:void 0}async function Rs(t,e,r,n){e&&!Array.isArray(e)&&!Ms(e)&&(n=void 0,r=e,e=void 0),t=await t,r=r||{};let i=sn(t),o=u_(e,n),a=await e_(t,o,r);if(!a)return null;let c=qy(r,a,o,i);return n=f_({url:i,_parse:Rs,loaders:o},c,n||null),await iA(a,t,c,n)}async function iA(t,e,r,n){if(Hu(t),r=$u(t.options,r),Ze(e)){let{ok:s,redirected:o,status:a,statusText:c,type:l,url:f}=e,u=Object.fromEntries(e.headers.entries());n.response={headers:u,ok:s,redirected:o,status:a,statusText:c,type:l,url:f}}e=await l_(e,t,r);let i=t;if(i.parseTextSync&&typeof e=="string")return i.parseTextSync(e,r,n);if(Yu(t,r))return await qu(t,e,r,n,Rs);if(i.parseText&&typeof e=="string")return await i.parseText(e,r,n);if(i.parse)return await i.parse(e,r,n);throw De(!i.parseSync),new Error(`${t.id} loader - no parser found and worker is disabled`)}async function Sr(t,e,r,n){let i,s;!Array.isArray(e)&&!Ms(e)?(i=[],s=e,n=void 0):(i=e,s=r);let o=dc(s),a=t;return typeof t=="string"&&(a=await o(t)),Ke(t)&&(a=await o(t)),typeof t=="string"&&(or(s||{}).core?.baseUrl||(s={...s,core:{...s?.core,baseUrl:t}})),Array.isArray(i)?await Rs(a,i,s):await Rs(a,i,s)}var m_="4.5.4";var sA=globalThis.loaders?.parseImageNode,pd=typeof Image<"u",md=typeof ImageBitmap<"u",oA=!!sA,gd=Jr?!0:oA;function g_(t){switch(t){case"auto":return md||pd||gd;case"imagebitmap":return md;case"image":return pd;case"data":return gd;default:throw new Error(`@loaders.gl/images: image ${t} not supported in this environment`)}}function y_(){if(md)return"imagebitmap";if(pd)return"image";if(gd)return"data";throw new Error("Install '@loaders.gl/polyfills' to parse images under Node.js")}function aA(t){let e=cA(t);if(!e)throw new Error("Not an image");return e}function __(t){switch(aA(t)){case"data":return t;case"image":case"imagebitmap":let e=document.createElement("canvas"),r=e.getContext("2d");if(!r)throw new Error("getImageData");return e.width=t.width,e.height=t.height,r.drawImage(t,0,0),r.getImageData(0,0,t.width,t.height);default:throw new Error("getImageData")}}function cA(t){return typeof ImageBitmap<"u"&&t instanceof ImageBitmap?"imagebitmap":typeof Image<"u"&&t instanceof Image?"image":t&&typeof t=="object"&&t.data&&t.width&&t.height?"data":null}var lA=/^data:image\/svg\+xml/,fA=/\.svg((\?|#).*)?$/;function hc(t){return t&&(lA.test(t)||fA.test(t))}function x_(t,e){if(hc(e)){let n=new TextDecoder().decode(t);try{typeof unescape=="function"&&typeof encodeURIComponent=="function"&&(n=unescape(encodeURIComponent(n)))}catch(s){throw new Error(s.message)}return`data:image/svg+xml;base64,${btoa(n)}`}return yd(t,e)}function yd(t,e){if(hc(e))throw new Error("SVG cannot be parsed directly to imagebitmap");return new Blob([new Uint8Array(t)])}async function pc(t,e,r){let n=x_(t,r),i=self.URL||self.webkitURL,s=typeof n!="string"&&i.createObjectURL(n);try{return await uA(s||n,e)}finally{s&&i.revokeObjectURL(s)}}async function uA(t,e){let r=new Image;return r.src=t,e.image&&e.image.decode&&r.decode?(await r.decode(),r):await new Promise((n,i)=>{try{r.onload=()=>n(r),r.onerror=s=>{let o=s instanceof Error?s.message:"error";i(new Error(o))}}catch(s){i(s)}})}var b_=!0;async function w_(t,e,r){let n;hc(r)?n=await pc(t,e,r):n=yd(t,r);let i=e&&e.imagebitmap;return await dA(n,i)}async function dA(t,e=null){if((hA(e)||!b_)&&(e=null),e)try{return await createImageBitmap(t,e)}catch(r){console.warn(r),b_=!1}return await createImageBitmap(t)}function hA(t){if(!t)return!0;for(let e in t)if(Object.prototype.hasOwnProperty.call(t,e))return!1;return!0}function v_(t){return!yA(t,"ftyp",4)||(t[8]&96)===0?null:pA(t)}function pA(t){switch(mA(t,8,12).replace("\0"," ").trim()){case"avif":case"avis":return{extension:"avif",mimeType:"image/avif"};default:return null}}function mA(t,e,r){return String.fromCharCode(...t.slice(e,r))}function gA(t){return[...t].map(e=>e.charCodeAt(0))}function yA(t,e,r=0){let n=gA(e);for(let i=0;i<n.length;++i)if(n[i]!==t[i+r])return!1;return!0}var Nt=!1,Os=!0;function mc(t){let e=Bs(t);return xA(e)||vA(e)||bA(e)||wA(e)||_A(e)}function _A(t){let e=new Uint8Array(t instanceof DataView?t.buffer:t),r=v_(e);return r?{mimeType:r.mimeType,width:0,height:0}:null}function xA(t){let e=Bs(t);return e.byteLength>=24&&e.getUint32(0,Nt)===2303741511?{mimeType:"image/png",width:e.getUint32(16,Nt),height:e.getUint32(20,Nt)}:null}function bA(t){let e=Bs(t);return e.byteLength>=10&&e.getUint32(0,Nt)===1195984440?{mimeType:"image/gif",width:e.getUint16(6,Os),height:e.getUint16(8,Os)}:null}function wA(t){let e=Bs(t);return e.byteLength>=14&&e.getUint16(0,Nt)===16973&&e.getUint32(2,Os)===e.byteLength?{mimeType:"image/bmp",width:e.getUint32(18,Os),height:e.getUint32(22,Os)}:null}function vA(t){let e=Bs(t);if(!(e.byteLength>=3&&e.getUint16(0,Nt)===65496&&e.getUint8(2)===255))return null;let{tableMarkers:n,sofMarkers:i}=EA(),s=2;for(;s+9<e.byteLength;){let o=e.getUint16(s,Nt);if(i.has(o))return{mimeType:"image/jpeg",height:e.getUint16(s+5,Nt),width:e.getUint16(s+7,Nt)};if(!n.has(o))return null;s+=2,s+=e.getUint16(s,Nt)}return null}function EA(){let t=new Set([65499,65476,65484,65501,65534]);for(let r=65504;r<65520;++r)t.add(r);return{tableMarkers:t,sofMarkers:new Set([65472,65473,65474,65475,65477,65478,65479,65481,65482,65483,65485,65486,65487,65502])}}function Bs(t){if(t instanceof DataView)return t;if(ArrayBuffer.isView(t))return new DataView(t.buffer);if(t instanceof ArrayBuffer)return new DataView(t);throw new Error("toDataView")}async function E_(t,e){let{mimeType:r}=mc(t)||{},n=globalThis.loaders?.parseImageNode;return wr(n),await n(t,r)}async function S_(t,e,r){e=e||{};let i=(e.image||{}).type||"auto",{url:s}=r||{},o=SA(i),a;switch(o){case"imagebitmap":a=await w_(t,e,s);break;case"image":a=await pc(t,e,s);break;case"data":a=await E_(t,e);break;default:wr(!1)}return i==="data"&&(a=__(a)),a}function SA(t){switch(t){case"auto":case"data":return y_();default:return g_(t),t}}var PA=["png","jpg","jpeg","gif","webp","bmp","ico","svg","avif"],TA=["image/png","image/jpeg","image/gif","image/webp","image/avif","image/bmp","image/vnd.microsoft.icon","image/svg+xml"],AA={image:{type:"auto",decode:!0}},_d={dataType:null,batchType:null,id:"image",module:"images",name:"Images",version:m_,mimeTypes:TA,extensions:PA,parse:S_,tests:[t=>!!mc(new DataView(t))],options:AA};ws();var LA=new Be({id:"deck"}),D=LA;var xd={};function P_(t){xd=t}function ce(t,e,r,n){D.level>0&&xd[t]&&xd[t].call(null,e,r,n)}function CA(t){let e=t[0],r=t[t.length-1];return e==="{"&&r==="}"||e==="["&&r==="]"}var T_={dataType:null,batchType:null,id:"JSON",name:"JSON",module:"",version:"",options:{},extensions:["json","geojson"],mimeTypes:["application/json","application/geo+json"],testText:CA,parseTextSync:JSON.parse};function MA(){let t="9.4.0",e=globalThis.deck&&globalThis.deck.VERSION;if(e&&e!==t)throw new Error(`deck.gl - multiple versions detected: ${e} vs ${t}`);return e||(D.log(1,`deck.gl ${t}`)(),globalThis.deck={...globalThis.deck,VERSION:t,version:t,log:D,_registerLoggers:P_},ld([T_,[_d,{imagebitmap:{premultiplyAlpha:"none"}}]])),t}var A_=MA();je();var gk=`struct LayerUniforms {
  opacity: f32,
};

@group(0) @binding(auto)
var<uniform> layer: LayerUniforms;
`,X0=`layout(std140) uniform layerUniforms {
  uniform float opacity;
} layer;
`,gp={name:"layer",source:gk,vs:X0,fs:X0,getUniforms:t=>({opacity:Math.pow(t.opacity,.45454545454545453)}),uniformTypes:{opacity:"f32"}};var yk=`

@must_use
fn deckgl_premultiplied_alpha(fragColor: vec4<f32>) -> vec4<f32> {
    return vec4(fragColor.rgb * fragColor.a, fragColor.a); 
};
`,Gt={name:"color",dependencies:[],source:yk,getUniforms:t=>({})};var _k=`const SMOOTH_EDGE_RADIUS: f32 = 0.5;

struct VertexGeometry {
  position: vec4<f32>,
  worldPosition: vec3<f32>,
  worldPositionAlt: vec3<f32>,
  normal: vec3<f32>,
  uv: vec2<f32>,
  pickingColor: vec3<f32>,
};

var<private> geometry_: VertexGeometry = VertexGeometry(
  vec4<f32>(0.0, 0.0, 1.0, 0.0),
  vec3<f32>(0.0, 0.0, 0.0),
  vec3<f32>(0.0, 0.0, 0.0),
  vec3<f32>(0.0, 0.0, 0.0),
  vec2<f32>(0.0, 0.0),
  vec3<f32>(0.0, 0.0, 0.0)
);

struct FragmentGeometry {
  uv: vec2<f32>,
};

var<private> fragmentGeometry: FragmentGeometry;

fn smoothedge(edge: f32, x: f32) -> f32 {
  return smoothstep(edge - SMOOTH_EDGE_RADIUS, edge + SMOOTH_EDGE_RADIUS, x);
}
`,Z0="#define SMOOTH_EDGE_RADIUS 0.5",xk=`${Z0}

struct VertexGeometry {
  vec4 position;
  vec3 worldPosition;
  vec3 worldPositionAlt;
  vec3 normal;
  vec2 uv;
  vec3 pickingColor;
} geometry = VertexGeometry(
  vec4(0.0, 0.0, 1.0, 0.0),
  vec3(0.0),
  vec3(0.0),
  vec3(0.0),
  vec2(0.0),
  vec3(0.0)
);
`,bk=`${Z0}

struct FragmentGeometry {
  vec2 uv;
};
FragmentGeometry geometry;

float smoothedge(float edge, float x) {
  return smoothstep(edge - SMOOTH_EDGE_RADIUS, edge + SMOOTH_EDGE_RADIUS, x);
}
`,al={name:"geometry",source:_k,vs:xk,fs:bk};je();_e();var z;(function(t){t[t.Start=1]="Start",t[t.Move=2]="Move",t[t.End=4]="End",t[t.Cancel=8]="Cancel"})(z||(z={}));var se;(function(t){t[t.None=0]="None",t[t.Left=1]="Left",t[t.Right=2]="Right",t[t.Up=4]="Up",t[t.Down=8]="Down",t[t.Horizontal=3]="Horizontal",t[t.Vertical=12]="Vertical",t[t.All=15]="All"})(se||(se={}));var R;(function(t){t[t.Possible=1]="Possible",t[t.Began=2]="Began",t[t.Changed=4]="Changed",t[t.Ended=8]="Ended",t[t.Recognized=8]="Recognized",t[t.Cancelled=16]="Cancelled",t[t.Failed=32]="Failed"})(R||(R={}));var K0="compute",yp="auto",An="manipulation",Ln="none",mo="pan-x",go="pan-y";function _p(t){if(t.includes(Ln))return Ln;let e=t.includes(mo),r=t.includes(go);return e&&r?Ln:e||r?e?mo:go:t.includes(An)?An:yp}var yo=class{constructor(e,r){this.actions="",this.manager=e,this.set(r)}set(e){e===K0&&(e=this.compute()),this.manager.element&&(this.manager.element.style.touchAction=e,this.actions=e)}update(){this.set(this.manager.options.touchAction)}compute(){let e=[];for(let r of this.manager.recognizers)r.options.enable&&(e=e.concat(r.getTouchAction()));return _p(e.join(" "))}};function Si(t){return t.trim().split(/\s+/g)}function cl(t,e,r){if(t)for(let n of Si(e))t.addEventListener(n,r,!1)}function ll(t,e,r){if(t)for(let n of Si(e))t.removeEventListener(n,r,!1)}function xp(t){return(t.ownerDocument||t).defaultView}function bp(t,e){let r=t;for(;r;){if(r===e)return!0;r=r.parentNode}return!1}function fl(t){let e=t.length;if(e===1)return{x:Math.round(t[0].clientX),y:Math.round(t[0].clientY)};let r=0,n=0,i=0;for(;i<e;)r+=t[i].clientX,n+=t[i].clientY,i++;return{x:Math.round(r/e),y:Math.round(n/e)}}function wp(t){let e=[],r=0;for(;r<t.pointers.length;)e[r]={clientX:Math.round(t.pointers[r].clientX),clientY:Math.round(t.pointers[r].clientY)},r++;return{timeStamp:Date.now(),pointers:e,center:fl(e),deltaX:t.deltaX,deltaY:t.deltaY}}function Pi(t,e){let r=e.x-t.x,n=e.y-t.y;return Math.sqrt(r*r+n*n)}function _o(t,e){let r=e.clientX-t.clientX,n=e.clientY-t.clientY;return Math.sqrt(r*r+n*n)}function Q0(t,e){let r=e.x-t.x,n=e.y-t.y;return Math.atan2(n,r)*180/Math.PI}function vp(t,e){let r=e.clientX-t.clientX,n=e.clientY-t.clientY;return Math.atan2(n,r)*180/Math.PI}function Ti(t,e){return t===e?se.None:Math.abs(t)>=Math.abs(e)?t<0?se.Left:se.Right:e<0?se.Up:se.Down}function J0(t,e){let r=e.center,n=t.offsetDelta,i=t.prevDelta,s=t.prevInput;return(e.eventType===z.Start||s?.eventType===z.End)&&(i=t.prevDelta={x:s?.deltaX||0,y:s?.deltaY||0},n=t.offsetDelta={x:r.x,y:r.y}),{deltaX:i.x+(r.x-n.x),deltaY:i.y+(r.y-n.y)}}function ul(t,e,r){return{x:e/t||0,y:r/t||0}}function ew(t,e){return _o(e[0],e[1])/_o(t[0],t[1])}function tw(t,e){return vp(e[1],e[0])-vp(t[1],t[0])}function rw(t,e){let r=t.lastInterval||e,n=e.timeStamp-r.timeStamp,i,s,o,a;if(e.eventType!==z.Cancel&&(n>25||r.velocity===void 0)){let c=e.deltaX-r.deltaX,l=e.deltaY-r.deltaY,f=ul(n,c,l);s=f.x,o=f.y,i=Math.abs(f.x)>Math.abs(f.y)?f.x:f.y,a=Ti(c,l),t.lastInterval=e}else i=r.velocity,s=r.velocityX,o=r.velocityY,a=r.direction;e.velocity=i,e.velocityX=s,e.velocityY=o,e.direction=a}function Ep(t,e){return"pointerId"in t?t.pointerId:e}function nw(t,e){t.movementOrigin=new Map(e.map((r,n)=>[Ep(r,n),{clientX:r.clientX,clientY:r.clientY}])),t.firstMovementTime=void 0}function vk(t,e){let r=e.pointers.map(Ep);if(t.movementOrigin?.size===r.length&&r.every(i=>t.movementOrigin.has(i))||nw(t,e.pointers),e.distancePerPointer=e.pointers.map((i,s)=>_o(t.movementOrigin.get(r[s]),i)),e.eventType&z.Move&&e.distancePerPointer.some(i=>i>0)&&(t.firstMovementTime??(t.firstMovementTime=e.timeStamp)),e.movementDeltaTime=t.firstMovementTime===void 0?0:e.timeStamp-t.firstMovementTime,e.eventType&(z.End|z.Cancel)){let i=e.changedPointers.map(s=>Ep(s,e.pointers.indexOf(s)));nw(t,e.pointers.filter((s,o)=>!i.includes(r[o])))}}function iw(t,e){let{session:r}=t,{pointers:n}=e,{length:i}=n;r.firstInput||(r.firstInput=wp(e)),i>1&&!r.firstMultiple?r.firstMultiple=wp(e):i===1&&(r.firstMultiple=!1);let{firstInput:s,firstMultiple:o}=r,a=o?o.center:s.center,c=e.center=fl(n);e.timeStamp=Date.now(),e.deltaTime=e.timeStamp-s.timeStamp,vk(r,e),e.angle=Q0(a,c),e.distance=Pi(a,c);let{deltaX:l,deltaY:f}=J0(r,e);e.deltaX=l,e.deltaY=f,e.offsetDirection=Ti(e.deltaX,e.deltaY);let u=ul(e.deltaTime,e.deltaX,e.deltaY);e.overallVelocityX=u.x,e.overallVelocityY=u.y,e.overallVelocity=Math.abs(u.x)>Math.abs(u.y)?u.x:u.y,e.scale=o?ew(o.pointers,n):1,e.rotation=o?tw(o.pointers,n):0,e.maxPointers=r.prevInput?e.pointers.length>r.prevInput.maxPointers?e.pointers.length:r.prevInput.maxPointers:e.pointers.length;let d=t.element;return bp(e.srcEvent.target,d)&&(d=e.srcEvent.target),e.target=d,rw(r,e),e}function sw(t,e,r){let n=r.pointers.length,i=r.changedPointers.length,s=e&z.Start&&n-i===0,o=e&(z.End|z.Cancel)&&n-i===0;r.isFirst=!!s,r.isFinal=!!o,s&&(t.session={}),r.eventType=e;let a=iw(t,r);t.emit("hammer.input",a),t.recognize(a),t.session.prevInput=a}var xo=class{constructor(e){this.evEl="",this.evWin="",this.evTarget="",this.domHandler=r=>{this.manager.options.enable&&this.handler(r)},this.manager=e,this.element=e.element,this.target=e.options.inputTarget||e.element}callback(e,r){sw(this.manager,e,r)}init(){cl(this.element,this.evEl,this.domHandler),cl(this.target,this.evTarget,this.domHandler),cl(xp(this.element),this.evWin,this.domHandler)}destroy(){ll(this.element,this.evEl,this.domHandler),ll(this.target,this.evTarget,this.domHandler),ll(xp(this.element),this.evWin,this.domHandler)}};var Ek={pointerdown:z.Start,pointermove:z.Move,pointerup:z.End,pointercancel:z.Cancel,pointerout:z.Cancel},Sk="pointerdown",Pk="pointermove pointerup pointercancel",bo=class extends xo{constructor(e){super(e),this.evEl=Sk,this.evWin=Pk,this.store=this.manager.session.pointerEvents=[],this.init()}handler(e){let{store:r}=this,n=!1,i=Ek[e.type],s=e.pointerType,o=s==="touch",a=r.findIndex(c=>c.pointerId===e.pointerId);i&z.Start&&(e.buttons||o)?a<0&&(r.push(e),a=r.length-1):i&(z.End|z.Cancel)&&(n=!0),!(a<0)&&(r[a]=e,this.callback(i,{pointers:r,changedPointers:[e],eventType:i,pointerType:s,srcEvent:e}),n&&r.splice(a,1))}};var Tk=["","webkit","Moz","MS","ms","o"];function ow(t,e){let r=e[0].toUpperCase()+e.slice(1);for(let n of Tk){let i=n?n+r:e;if(i in t)return i}}var Ak=1,aw=2,cw={touchAction:"compute",enable:!0,inputTarget:null,cssProps:{userSelect:"none",userDrag:"none",touchCallout:"none",tapHighlightColor:"rgba(0,0,0,0)"}},wo=class{constructor(e,r){this.options={...cw,...r,cssProps:{...cw.cssProps,...r.cssProps},inputTarget:r.inputTarget||e},this.handlers={},this.session={},this.recognizers=[],this.oldCssProps={},this.element=e,this.input=new bo(this),this.touchAction=new yo(this,this.options.touchAction),this.toggleCssProps(!0)}set(e){return Object.assign(this.options,e),e.touchAction&&this.touchAction.update(),e.inputTarget&&(this.input.destroy(),this.input.target=e.inputTarget,this.input.init()),this}stop(e){this.session.stopped=e?aw:Ak}recognize(e){let{session:r}=this;if(r.stopped)return;this.session.prevented&&e.srcEvent.preventDefault();let n,{recognizers:i}=this,{curRecognizer:s}=r;(!s||s&&s.state&R.Recognized)&&(s=r.curRecognizer=null);let o=0;for(;o<i.length;)n=i[o],r.stopped!==aw&&(!s||n===s||n.canRecognizeWith(s))?n.recognize(e):n.reset(),!s&&n.state&(R.Began|R.Changed|R.Ended)&&(s=r.curRecognizer=n),o++}get(e){let{recognizers:r}=this;for(let n=0;n<r.length;n++)if(r[n].options.event===e)return r[n];return null}add(e){if(Array.isArray(e)){for(let n of e)this.add(n);return this}let r=this.get(e.options.event);return r&&this.remove(r),this.recognizers.push(e),e.manager=this,this.touchAction.update(),e}remove(e){if(Array.isArray(e)){for(let n of e)this.remove(n);return this}let r=typeof e=="string"?this.get(e):e;if(r){let{recognizers:n}=this,i=n.indexOf(r);i!==-1&&(n.splice(i,1),this.touchAction.update())}return this}on(e,r){if(!e||!r)return;let{handlers:n}=this;for(let i of Si(e))n[i]=n[i]||[],n[i].push(r)}off(e,r){if(!e)return;let{handlers:n}=this;for(let i of Si(e))r?n[i]&&n[i].splice(n[i].indexOf(r),1):delete n[i]}emit(e,r){let n=this.handlers[e]&&this.handlers[e].slice();if(!n||!n.length)return;let i=r;i.type=e,i.preventDefault=function(){r.srcEvent.preventDefault()};let s=0;for(;s<n.length;)n[s](i),s++}destroy(){this.toggleCssProps(!1),this.handlers={},this.session={},this.input.destroy(),this.element=null}toggleCssProps(e){let{element:r}=this;if(r){for(let[n,i]of Object.entries(this.options.cssProps)){let s=ow(r.style,n);e?(this.oldCssProps[s]=r.style[s],r.style[s]=i):r.style[s]=this.oldCssProps[s]||""}e||(this.oldCssProps={})}}};var Lk=1;function lw(){return Lk++}function Sp(t){return t&R.Cancelled?"cancel":t&R.Ended?"end":t&R.Changed?"move":t&R.Began?"start":""}var wt=class{constructor(e){this.options=e,this.id=lw(),this.state=R.Possible,this.simultaneous={},this.requireFail=[]}set(e){return Object.assign(this.options,e),this.manager.touchAction.update(),this}recognizeWith(e){if(Array.isArray(e)){for(let i of e)this.recognizeWith(i);return this}let r;if(typeof e=="string"){if(r=this.manager.get(e),!r)throw new Error(`Cannot find recognizer ${e}`)}else r=e;let{simultaneous:n}=this;return n[r.id]||(n[r.id]=r,r.recognizeWith(this)),this}dropRecognizeWith(e){if(Array.isArray(e)){for(let n of e)this.dropRecognizeWith(n);return this}let r;return typeof e=="string"?r=this.manager.get(e):r=e,r&&delete this.simultaneous[r.id],this}requireFailure(e){if(Array.isArray(e)){for(let i of e)this.requireFailure(i);return this}let r;if(typeof e=="string"){if(r=this.manager.get(e),!r)throw new Error(`Cannot find recognizer ${e}`)}else r=e;let{requireFail:n}=this;return n.indexOf(r)===-1&&(n.push(r),r.requireFailure(this)),this}dropRequireFailure(e){if(Array.isArray(e)){for(let n of e)this.dropRequireFailure(n);return this}let r;if(typeof e=="string"?r=this.manager.get(e):r=e,r){let n=this.requireFail.indexOf(r);n>-1&&this.requireFail.splice(n,1)}return this}hasRequireFailures(){return!!this.requireFail.find(e=>e.options.enable)}canRecognizeWith(e){return!!this.simultaneous[e.id]}emit(e){if(!e)return;let{state:r}=this;r<R.Ended&&this.manager.emit(this.options.event+Sp(r),e),this.manager.emit(this.options.event,e),e.additionalEvent&&this.manager.emit(e.additionalEvent,e),r>=R.Ended&&this.manager.emit(this.options.event+Sp(r),e)}tryEmit(e){this.canEmit()?this.emit(e):this.state=R.Failed}canEmit(){let e=0;for(;e<this.requireFail.length;){if(!(this.requireFail[e].state&(R.Failed|R.Possible)))return!1;e++}return!0}recognize(e){let r={...e};if(!this.options.enable){this.reset(),this.state=R.Failed;return}this.state&(R.Recognized|R.Cancelled|R.Failed)&&(this.state=R.Possible),this.state=this.process(r),this.state&(R.Began|R.Changed|R.Ended|R.Cancelled)&&this.tryEmit(r)}getEventNames(){return[this.options.event]}reset(){}};function Ck(t){return Math.abs(((t+180)%360+360)%360-180)}function Mk(t,e){return(e.distance===void 0||t.distance>=e.distance)&&(e.distancePerPointer===void 0||t.distancePerPointer.length>0&&t.distancePerPointer.every(r=>r>=e.distancePerPointer))&&(e.movementDeltaTime===void 0||t.movementDeltaTime>=e.movementDeltaTime)&&(e.rotation===void 0||Ck(t.rotation)>=e.rotation)&&(e.scale===void 0||Math.abs(t.scale-1)>=e.scale)}var Cn=class extends wt{attrTest(e){let r=this.options.pointers;return r===0||e.pointers.length===r}coherentTest(e){let r=this.options.coherent;return!r?.length||r.some(n=>Mk(e,n))}process(e){let{state:r}=this,{eventType:n}=e,i=r&(R.Began|R.Changed),s=this.attrTest(e);return i&&(n&z.Cancel||!s)?r|R.Cancelled:i||s?n&z.End?r|R.Ended:r&R.Began?r|R.Changed:R.Began:R.Failed}};var Ik=["","start","move","end","cancel"],Ai=class extends wt{constructor(e={}){super({enable:!0,event:"doubleclickdrag",pointers:1,interval:500,time:350,threshold:28,dragThreshold:1,pixelsPerScale:120,...e}),this._tapStart=null,this._lastTap=null,this._drag=null,this._emittedStart=!1}getTouchAction(){return[An]}getEventNames(){return Ik.map(e=>this.options.event+e)}process(e){let{options:r}=this;return e.pointers.length===r.pointers?e.eventType&z.Start?this._handleStart(e):e.eventType&z.Move?this._handleMove(e):e.eventType&z.Cancel?this._handleEnd(e,!0):e.eventType&z.End?this._handleEnd(e,!1):R.Failed:(this.reset(),R.Failed)}reset(){this._tapStart=null,this._lastTap=null,this._drag=null,this._emittedStart=!1}emit(e){if(e){if(this.state===R.Began){if(!this._drag?.active||this._emittedStart)return;this._emittedStart=!0,this.manager.emit(`${this.options.event}start`,e),this.manager.emit(this.options.event,e);return}if(this.state===R.Changed){if(!this._emittedStart)return;this.manager.emit(`${this.options.event}move`,e),this.manager.emit(this.options.event,e);return}if(this.state===R.Ended){if(!this._emittedStart)return;this.manager.emit(this.options.event,e),this.manager.emit(`${this.options.event}end`,e),this._emittedStart=!1;return}if(this.state===R.Cancelled){if(!this._emittedStart)return;this.manager.emit(this.options.event,e),this.manager.emit(`${this.options.event}cancel`,e),this._emittedStart=!1}}}_handleStart(e){let r=this._getPointerId(e);return this._lastTap&&this._isTapMatch(e,this._lastTap)?(this._tapStart=null,this._lastTap=null,this._drag={startCenter:e.center,pointerId:r,active:!1},this._emittedStart=!1,R.Began):(this._tapStart={center:e.center,timeStamp:e.timeStamp,pointerId:r},this._lastTap=null,this._drag=null,this._emittedStart=!1,R.Failed)}_handleMove(e){if(!this._drag||!this._isSamePointer(e,this._drag.pointerId))return R.Failed;let r=this._drag.startCenter.y-e.center.y;return!this._drag.active&&Math.abs(r)<this.options.dragThreshold?R.Began:(this._drag.active=!0,e.scale=Math.pow(2,r/this.options.pixelsPerScale),this._emittedStart?R.Changed:R.Began)}_handleEnd(e,r){if(this._drag&&this._isSamePointer(e,this._drag.pointerId)){let{active:n,startCenter:i}=this._drag;if(this._drag=null,this._tapStart=null,this._lastTap=null,!n)return this._emittedStart=!1,R.Failed;let s=i.y-e.center.y;return e.scale=Math.pow(2,s/this.options.pixelsPerScale),r?R.Cancelled:R.Ended}return!this._tapStart||!this._isSamePointer(e,this._tapStart.pointerId)?(r&&this.reset(),R.Failed):(this._isValidTap(e)?this._lastTap={center:e.center,timeStamp:e.timeStamp,pointerId:this._tapStart.pointerId}:this._lastTap=null,this._tapStart=null,R.Failed)}_isTapMatch(e,r){return e.timeStamp-r.timeStamp<=this.options.interval&&Pi(e.center,r.center)<=this.options.threshold}_isValidTap(e){return e.deltaTime<=this.options.time&&e.distance<=this.options.threshold}_getPointerId(e){return"pointerId"in e.srcEvent?e.srcEvent.pointerId:null}_isSamePointer(e,r){return r===null||this._getPointerId(e)===r}};var Mn=class extends wt{constructor(e={}){super({enable:!0,event:"tap",pointers:1,taps:1,interval:300,time:250,threshold:9,posThreshold:10,...e}),this.pTime=null,this.pCenter=null,this._timer=null,this._input=null,this.count=0}getTouchAction(){return[An]}process(e){let{options:r}=this,n=e.pointers.length===r.pointers,i=e.distance<r.threshold,s=e.deltaTime<r.time;if(this.reset(),e.eventType&z.Start&&this.count===0)return this.failTimeout();if(i&&s&&n){if(e.eventType!==z.End)return this.failTimeout();let o=this.pTime?e.timeStamp-this.pTime<r.interval:!0,a=!this.pCenter||Pi(this.pCenter,e.center)<r.posThreshold;if(this.pTime=e.timeStamp,this.pCenter=e.center,!a||!o?this.count=1:this.count+=1,this._input=e,this.count%r.taps===0)return this.hasRequireFailures()?(this._timer=setTimeout(()=>{this.state=R.Recognized,this.tryEmit(this._input)},r.interval),R.Began):R.Recognized}return R.Failed}failTimeout(){return this._timer=setTimeout(()=>{this.state=R.Failed},this.options.interval),R.Failed}reset(){clearTimeout(this._timer)}emit(e){this.state===R.Recognized&&(e.tapCount=this.count,this.manager.emit(this.options.event,e))}};var Li=class extends Cn{constructor(){super(...arguments),this.wheelSession=null,this.wheelSessionUnsubscribe=null,this.handleWheelSessionEvent=e=>{e.device==="trackpad"&&this.handleTrackpadEvent(e)}}set(e){let{wheelSession:r,...n}=e;return r&&r!==this.wheelSession&&(this.wheelSessionUnsubscribe?.(),this.wheelSessionUnsubscribe=null,this.wheelSession=r),super.set(n),this.updateWheelSessionSubscription(),this}getTrackpadInput(e,r={}){let{srcEvent:n}=e,i=r.deltaX??e.deltaX,s=r.deltaY??e.deltaY,o=Ti(i,s),a=Math.sqrt(e.deltaX*e.deltaX+e.deltaY*e.deltaY),c=n;return{pointers:[c,c],changedPointers:[c,c],pointerType:"trackpad",srcEvent:c,eventType:e.eventType,timeStamp:e.timeStamp,deltaTime:e.deltaTime,center:e.center,deltaX:i,deltaY:s,angle:Math.atan2(s,i)*180/Math.PI,distance:Math.sqrt(i*i+s*s),distancePerPointer:[a,a],movementDeltaTime:e.deltaTime,scale:1,rotation:0,direction:o,offsetDirection:o,velocity:e.velocity,velocityX:e.velocityX,velocityY:e.velocityY,overallVelocity:e.overallVelocity,overallVelocityX:e.overallVelocityX,overallVelocityY:e.overallVelocityY,maxPointers:2,target:n.target||this.manager.element,additionalEvent:"",...r}}updateWheelSessionSubscription(){let e=!!(this.wheelSession&&this.options.enable&&this.options.trackpad&&this.options.pointers===2);e&&!this.wheelSessionUnsubscribe?this.wheelSessionUnsubscribe=this.wheelSession.on(this.handleWheelSessionEvent):!e&&this.wheelSessionUnsubscribe&&(this.wheelSessionUnsubscribe(),this.wheelSessionUnsubscribe=null)}};var Rk=["","start","move","end","cancel","up","down","left","right"],Or=class extends Li{constructor(e={}){super({enable:!0,pointers:1,event:"pan",threshold:10,direction:se.All,trackpad:!1,coherent:[],...e}),this.trackpadGesture=!1,this.pX=null,this.pY=null}getTouchAction(){let{options:{direction:e}}=this,r=[];return e&se.Horizontal&&r.push(go),e&se.Vertical&&r.push(mo),r}getEventNames(){return Rk.map(e=>this.options.event+e)}directionTest(e){let{options:r}=this,n=!0,{distance:i}=e,{direction:s}=e,o=e.deltaX,a=e.deltaY;return s&r.direction||(r.direction&se.Horizontal?(s=o===0?se.None:o<0?se.Left:se.Right,n=o!==this.pX,i=Math.abs(e.deltaX)):(s=a===0?se.None:a<0?se.Up:se.Down,n=a!==this.pY,i=Math.abs(e.deltaY))),e.direction=s,n&&i>r.threshold&&!!(s&r.direction)}attrTest(e){let r=!!(this.state&R.Began),n=!(this.options.coherent?.length&&e.eventType&(z.End|z.Cancel));return super.attrTest(e)&&(r||n&&this.coherentTest(e)&&this.directionTest(e))}emit(e){this.pX=e.deltaX,this.pY=e.deltaY;let r=se[e.direction].toLowerCase();r&&(e.additionalEvent=this.options.event+r),super.emit(e)}handleTrackpadEvent(e){e.isFirst&&(this.trackpadGesture=!e.srcEvent.ctrlKey,!this.trackpadGesture&&this.state&(R.Recognized|R.Cancelled|R.Failed)&&(this.state=R.Possible)),this.trackpadGesture&&(this.recognize(this.getTrackpadInput(e,{deltaX:-e.deltaX,deltaY:-e.deltaY,velocity:-e.velocity,velocityX:-e.velocityX,velocityY:-e.velocityY,overallVelocity:-e.overallVelocity,overallVelocityX:-e.overallVelocityX,overallVelocityY:-e.overallVelocityY})),e.isFinal&&(this.trackpadGesture=!1))}};var kk=["","start","move","end","cancel","in","out"],Ci=class extends Li{constructor(e={}){super({enable:!0,event:"pinch",threshold:0,pointers:2,trackpad:!1,coherent:[],...e}),this.trackpadGesture=!1}getTouchAction(){return[Ln]}getEventNames(){return kk.map(e=>this.options.event+e)}attrTest(e){let r=!!this.options.coherent?.length,n=!!(this.state&R.Began),i=!(r&&e.eventType&(z.End|z.Cancel));return super.attrTest(e)&&(n||i&&(r?this.coherentTest(e):Math.abs(e.scale-1)>this.options.threshold))}emit(e){if(e.scale!==1){let r=e.scale<1?"in":"out";e.additionalEvent=this.options.event+r}super.emit(e)}handleTrackpadEvent(e){e.isFirst&&(this.trackpadGesture=e.srcEvent.ctrlKey,!this.trackpadGesture&&this.state&(R.Recognized|R.Cancelled|R.Failed)&&(this.state=R.Possible)),this.trackpadGesture&&(this.recognize(this.getTrackpadInput(e,{deltaX:0,deltaY:0,velocity:0,velocityX:0,velocityY:0,overallVelocity:0,overallVelocityX:0,overallVelocityY:0,scale:Math.exp(-e.deltaY/100)})),e.isFinal&&(this.trackpadGesture=!1))}};var Vt=class{constructor(e,r,n){this.element=e,this.callback=r,this.options=n}listen(e,r){r?this.element.addEventListener(e,this.handleEvent,{passive:!1}):this.element.removeEventListener(e,this.handleEvent)}};var fw=typeof navigator<"u"&&navigator.userAgent?navigator.userAgent.toLowerCase():"";var Nk=fw.indexOf("firefox")!==-1,Fk=40,zk=.25,dl=class extends Vt{constructor(e,r,n){n.enable=n.enable??!1,super(e,r,n),this.handleEvent=i=>{if(!this.options.enable)return;let s=i.deltaY;globalThis.WheelEvent&&(Nk&&i.deltaMode===globalThis.WheelEvent.DOM_DELTA_PIXEL&&(s/=globalThis.devicePixelRatio),i.deltaMode===globalThis.WheelEvent.DOM_DELTA_LINE&&(s*=Fk)),i.shiftKey&&s&&(s=s*zk),this.callback({type:"wheel",center:{x:i.clientX,y:i.clientY},delta:-s,device:this.options.wheelSession?.device??"unknown",srcEvent:i,pointerType:"mouse",target:i.target})},n.enable&&(this.wheelSessionUnsubscribe=this.options.wheelSession?.on(()=>{}),this.listen("wheel",!0))}destroy(){this.listen("wheel",!1),this.wheelSessionUnsubscribe?.(),this.wheelSessionUnsubscribe=void 0}enableEventType(e,r){e==="wheel"&&this.options.enable!==r&&(this.options.enable=r,r&&!this.wheelSessionUnsubscribe&&(this.wheelSessionUnsubscribe=this.options.wheelSession?.on(()=>{})),this.listen("wheel",r),r||(this.wheelSessionUnsubscribe?.(),this.wheelSessionUnsubscribe=void 0))}};var Uk=4.000244140625,uw=40,$k=0,Gk=1,Vk=40,dw=40,Wk=120,jk={classificationDelay:32,endDelay:80},hl=class{constructor(e,r={}){this.subscriptions=new Map,this.session=null,this.classificationTimer=null,this.endTimer=null,this.pressedControlKeys=new Set,this.listeningForControlKeys=!1,this.handleEvent=n=>{if(!this.hasSubscribers)return"unknown";let i=Yk(n,this.pressedControlKeys.size>0),s=this.session;if(s&&i.timeStamp-s.lastTimeStamp>=this.options.endDelay){if(this.end(),!this.hasSubscribers)return"unknown";s=null}s?(this.scheduleEnd(),this.addSample(s,i)):(s=this.startPendingSession(i),this.scheduleEnd());let{device:o}=s;return o==="unknown"&&(o=Pp(s.samples,!1),o!=="unknown"&&this.begin(s,o)),o},this.finishClassification=()=>{if(this.classificationTimer=null,!this.session||this.session.device!=="unknown")return;let n=this.session,i=Pp(n.samples,!0);this.begin(n,i==="unknown"?"mouse":i)},this.end=()=>{if(!this.session)return;if(this.session.device==="unknown"){let i=this.session,s=Pp(i.samples,!0);this.begin(i,s==="unknown"?"mouse":s)}if(!this.session)return;let n=this.session;this.emit(z.End,n.lastEvent),this.reset()},this.handleKeyDown=n=>{n.key==="Control"&&this.pressedControlKeys.add(n.code||n.key)},this.handleKeyUp=n=>{n.key==="Control"&&(n.code?this.pressedControlKeys.delete(n.code):this.pressedControlKeys.clear())},this.handleWindowBlur=()=>{this.pressedControlKeys.clear()},this.element=e,this.options={...jk,...r},this.element?.addEventListener("wheel",this.handleEvent,{passive:!0})}get hasSubscribers(){return this.subscriptions.size>0}get device(){return this.session?.device??"unknown"}on(e){let r={listener:e};return this.subscriptions.set(e,r),this.updateControlKeyEventListeners(),()=>{this.subscriptions.get(e)===r&&this.off(e)}}off(e){this.subscriptions.delete(e),this.updateControlKeyEventListeners(),this.hasSubscribers||this.reset()}cancel(){let e=this.session;e&&e.device!=="unknown"&&this.emit(z.Cancel,e.lastEvent),this.reset()}destroy(){this.cancel(),this.subscriptions.clear(),this.updateControlKeyEventListeners(),this.element?.removeEventListener("wheel",this.handleEvent)}startPendingSession(e){let r={samples:[e],device:"unknown",firstTimeStamp:e.timeStamp,lastTimeStamp:e.timeStamp,totalDeltaX:e.deltaX,totalDeltaY:e.deltaY,velocityX:0,velocityY:0,lastEvent:e.event};return this.session=r,this.classificationTimer=globalThis.setTimeout(this.finishClassification,this.options.classificationDelay),r}addSample(e,r){if(e.samples.push(r),e.lastTimeStamp=r.timeStamp,e.lastEvent=r.event,e.totalDeltaX+=r.deltaX,e.totalDeltaY+=r.deltaY,e.device!=="unknown"){let n=e.samples[e.samples.length-2],i=r.timeStamp-n.timeStamp;e.velocityX=i>0?r.deltaX/i:0,e.velocityY=i>0?r.deltaY/i:0,this.emit(z.Move,r.event,{velocityX:e.velocityX,velocityY:e.velocityY})}}begin(e,r){e.device=r,this.clearClassificationTimer(),this.emit(z.Start,e.samples[0].event);let n=e.lastTimeStamp-e.firstTimeStamp;e.velocityX=n>0?e.totalDeltaX/n:0,e.velocityY=n>0?e.totalDeltaY/n:0,this.emit(z.Move,e.lastEvent,{velocityX:e.velocityX,velocityY:e.velocityY})}scheduleEnd(){this.clearEndTimer(),this.endTimer=globalThis.setTimeout(this.end,this.options.endDelay)}emit(e,r,n){let i=this.session;if(!i||i.device==="unknown")return;let s=e===z.Start,o=e===z.End||e===z.Cancel,a=s?i.firstTimeStamp:i.lastTimeStamp,c=s?0:Math.max(0,a-i.firstTimeStamp),l=s?0:i.totalDeltaX,f=s?0:i.totalDeltaY,u=c>0?l/c:0,d=c>0?f/c:0,h=s?0:n?.velocityX??i.velocityX,p=s?0:n?.velocityY??i.velocityY,m={eventType:e,device:i.device,srcEvent:r,timeStamp:a,center:{x:r.clientX,y:r.clientY},deltaX:l,deltaY:f,deltaTime:c,velocity:Math.abs(h)>Math.abs(p)?h:p,velocityX:h,velocityY:p,overallVelocity:Math.abs(u)>Math.abs(d)?u:d,overallVelocityX:u,overallVelocityY:d,isFirst:s,isFinal:o};for(let{listener:g}of[...this.subscriptions.values()])g(m)}reset(){this.clearClassificationTimer(),this.clearEndTimer(),this.session=null}clearClassificationTimer(){this.classificationTimer!==null&&(globalThis.clearTimeout(this.classificationTimer),this.classificationTimer=null)}clearEndTimer(){this.endTimer!==null&&(globalThis.clearTimeout(this.endTimer),this.endTimer=null)}updateControlKeyEventListeners(){let e=this.hasSubscribers,r=Hk();!r||e===this.listeningForControlKeys||(this.listeningForControlKeys=e,e?(r.addEventListener("keydown",this.handleKeyDown,!0),r.addEventListener("keyup",this.handleKeyUp,!0),r.addEventListener("blur",this.handleWindowBlur)):(r.removeEventListener("keydown",this.handleKeyDown,!0),r.removeEventListener("keyup",this.handleKeyUp,!0),r.removeEventListener("blur",this.handleWindowBlur),this.pressedControlKeys.clear()))}};function Hk(){return typeof window<"u"?window:globalThis.document?.defaultView}function Yk(t,e){let r=t.deltaX,n=t.deltaY;return t.deltaMode===Gk&&(r*=uw,n*=uw),{event:t,timeStamp:t.timeStamp,deltaX:r,deltaY:n,isControlKeyDown:e}}function Pp(t,e){return t.some(({event:r,isControlKeyDown:n})=>r.ctrlKey&&!n)?"trackpad":t.some(({event:r})=>r.deltaMode!==$k)||t.some(qk)||t.every(({event:r})=>{let n=r.wheelDelta;return n!==void 0&&Math.abs(n)%40===0})?"mouse":t.some(({deltaX:r})=>r!==0)||t.length>1&&Xk(t)?"trackpad":e?"mouse":"unknown"}function qk({event:t,deltaX:e,deltaY:r}){if(e!==0||r===0)return!1;let n=Math.abs(r/Uk);if(Number.isInteger(n))return!0;let i=t.wheelDelta;return typeof i=="number"&&i!==0&&i%Wk===0}function Xk(t){for(let e=0;e<t.length;e++){let r=t[e];if(Math.abs(r.deltaX)>dw||Math.abs(r.deltaY)>dw||e>0&&r.timeStamp-t[e-1].timeStamp>Vk)return!1}return!0}var hw=["mousedown","mousemove","mouseup","mouseover","mouseout","mouseenter","mouseleave"],pl=class extends Vt{constructor(e,r,n){super(e,r,{enable:!0,...n}),this.handleEvent=s=>{this.handleOverEvent(s),this.handleOutEvent(s),this.handleEnterEvent(s),this.handleLeaveEvent(s),this.handleMoveEvent(s)},this.pressed=!1;let{enable:i=!1}=this.options;this.enableMoveEvent=i,this.enableLeaveEvent=i,this.enableEnterEvent=i,this.enableOutEvent=i,this.enableOverEvent=i,i&&hw.forEach(s=>this.listen(s,!0))}destroy(){hw.forEach(e=>this.listen(e,!1))}enableEventType(e,r){switch(e){case"pointermove":this.enableMoveEvent!==r&&(this.enableMoveEvent=r,this.listen("mousedown",r),this.listen("mousemove",r),this.listen("mouseup",r));break;case"pointerover":this.enableOverEvent!==r&&(this.enableOverEvent=r,this.listen("mouseover",r));break;case"pointerout":this.enableOutEvent!==r&&(this.enableOutEvent=r,this.listen("mouseout",r));break;case"pointerenter":this.enableEnterEvent!==r&&(this.enableEnterEvent=r,this.listen("mouseenter",r));break;case"pointerleave":this.enableLeaveEvent!==r&&(this.enableLeaveEvent=r,this.listen("mouseleave",r));break;default:}}handleOverEvent(e){this.enableOverEvent&&e.type==="mouseover"&&this._emit("pointerover",e)}handleOutEvent(e){this.enableOutEvent&&e.type==="mouseout"&&this._emit("pointerout",e)}handleEnterEvent(e){this.enableEnterEvent&&e.type==="mouseenter"&&this._emit("pointerenter",e)}handleLeaveEvent(e){this.enableLeaveEvent&&e.type==="mouseleave"&&this._emit("pointerleave",e)}handleMoveEvent(e){if(this.enableMoveEvent)switch(e.type){case"mousedown":e.button>=0&&(this.pressed=!0);break;case"mousemove":e.buttons===0&&(this.pressed=!1),this.pressed||this._emit("pointermove",e);break;case"mouseup":this.pressed=!1;break;default:}}_emit(e,r){this.callback({type:e,center:{x:r.clientX,y:r.clientY},srcEvent:r,pointerType:"mouse",target:r.target})}};var pw=["keydown","keyup"],ml=class extends Vt{constructor(e,r,n){super(e,r,{enable:!0,tabIndex:0,...n}),this.handleEvent=s=>{let o=s.target||s.srcElement;o.tagName==="INPUT"&&o.type==="text"||o.tagName==="TEXTAREA"||(this.enableDownEvent&&s.type==="keydown"&&this.callback({type:"keydown",srcEvent:s,key:s.key,target:s.target}),this.enableUpEvent&&s.type==="keyup"&&this.callback({type:"keyup",srcEvent:s,key:s.key,target:s.target}))};let{enable:i=!1}=this.options;this.enableDownEvent=i,this.enableUpEvent=i,e.tabIndex=this.options.tabIndex,e.style.outline="none",i&&pw.forEach(s=>this.listen(s,!0))}destroy(){pw.forEach(e=>this.listen(e,!1))}enableEventType(e,r){e==="keydown"&&this.enableDownEvent!==r&&(this.enableDownEvent=r,this.listen(e,r)),e==="keyup"&&this.enableUpEvent!==r&&(this.enableUpEvent=r,this.listen(e,r))}};var gl=class extends Vt{constructor(e,r,n){n.enable=n.enable??!1,super(e,r,n),this.handleEvent=i=>{this.options.enable&&this.callback({type:"contextmenu",center:{x:i.clientX,y:i.clientY},srcEvent:i,pointerType:"mouse",target:i.target})},n.enable&&this.listen("contextmenu",!0)}destroy(){this.listen("contextmenu",!1)}enableEventType(e,r){e==="contextmenu"&&this.options.enable!==r&&(this.options.enable=r,this.listen("contextmenu",r))}};var Zk={pointerdown:1,pointermove:2,pointerup:4,mousedown:1,mousemove:2,mouseup:4},Kk=0,Qk=1,Jk=2,eO=1,tO=2,rO=4;function mw(t){let e=Zk[t.srcEvent.type];if(!e)return null;let{buttons:r,button:n}=t.srcEvent,i=!1,s=!1,o=!1;return e===2?(i=!!(r&eO),s=!!(r&rO),o=!!(r&tO)):(i=n===Kk,s=n===Qk,o=n===Jk),{leftButton:i,middleButton:s,rightButton:o}}function gw(t,e){let r=t.center;if(!r)return null;let n=e.getBoundingClientRect(),i=n.width/e.offsetWidth||1,s=n.height/e.offsetHeight||1,o={x:(r.x-n.left-e.clientLeft)/i,y:(r.y-n.top-e.clientTop)/s};return{center:r,offsetCenter:o}}var nO={srcElement:"root",priority:0},yl=class{constructor(e,r){this.handleEvent=n=>{if(this.isEmpty())return;let i=this._normalizeEvent(n),s=n.srcEvent.target;for(;s&&s!==i.rootElement;){if(this._emit(i,s),i.handled)return;s=s.parentNode}this._emit(i,"root")},this.eventManager=e,this.recognizerName=r,this.handlers=[],this.handlersByElement=new Map,this._active=!1}isEmpty(){return!this._active}add(e,r,n,i=!1,s=!1){let{handlers:o,handlersByElement:a}=this,c={...nO,...n},l=a.get(c.srcElement);l||(l=[],a.set(c.srcElement,l));let f={type:e,handler:r,srcElement:c.srcElement,priority:c.priority};i&&(f.once=!0),s&&(f.passive=!0),o.push(f),this._active=this._active||!f.passive;let u=l.length-1;for(;u>=0&&!(l[u].priority>=f.priority);)u--;l.splice(u+1,0,f)}remove(e,r){let{handlers:n,handlersByElement:i}=this;for(let s=n.length-1;s>=0;s--){let o=n[s];if(o.type===e&&o.handler===r){n.splice(s,1);let a=i.get(o.srcElement);a.splice(a.indexOf(o),1),a.length===0&&i.delete(o.srcElement)}}this._active=n.some(s=>!s.passive)}_emit(e,r){let n=this.handlersByElement.get(r);if(n){let i=!1,s=()=>{e.handled=!0},o=()=>{e.handled=!0,i=!0},a=[];for(let c=0;c<n.length;c++){let{type:l,handler:f,once:u}=n[c];if(f({...e,type:l,stopPropagation:s,stopImmediatePropagation:o}),u&&a.push(n[c]),i)break}for(let c=0;c<a.length;c++){let{type:l,handler:f}=a[c];this.remove(l,f)}}}_normalizeEvent(e){let r=this.eventManager.getElement();return{...e,...mw(e),...gw(e,r),preventDefault:()=>{e.srcEvent.preventDefault()},stopImmediatePropagation:null,stopPropagation:null,handled:!1,rootElement:r}}};function iO(t){if("recognizer"in t)return t;let e,r=Array.isArray(t)?[...t]:[t];if(typeof r[0]=="function"){let n=r.shift(),i=r.shift()||{};e=new n(i)}else e=r.shift();return{recognizer:e,recognizeWith:typeof r[0]=="string"?[r[0]]:r[0],requireFailure:typeof r[1]=="string"?[r[1]]:r[1]}}var vo=class{constructor(e=null,r={}){if(this._onBasicInput=n=>{this.manager.emit(n.srcEvent.type,n)},this._onOtherEvent=n=>{this.manager.emit(n.type,n)},this.options={recognizers:[],events:{},touchAction:"compute",tabIndex:0,cssProps:{},...r},this.events=new Map,this.element=e,this.wheelSession=new hl(e),!!e){this.manager=new wo(e,this.options);for(let n of this.options.recognizers){let{recognizer:i,recognizeWith:s,requireFailure:o}=iO(n);this.manager.add(i),s&&i.recognizeWith(s),o&&i.requireFailure(o)}this.manager.on("hammer.input",this._onBasicInput),this.wheelInput=new dl(e,this._onOtherEvent,{enable:!1,wheelSession:this.wheelSession}),this.moveInput=new pl(e,this._onOtherEvent,{enable:!1}),this.keyInput=new ml(e,this._onOtherEvent,{enable:!1,tabIndex:r.tabIndex}),this.contextmenuInput=new gl(e,this._onOtherEvent,{enable:!1}),this.on(this.options.events)}}getElement(){return this.element}destroy(){if(!this.element){this.wheelSession.destroy();return}this.wheelInput.destroy(),this.wheelSession.destroy(),this.moveInput.destroy(),this.keyInput.destroy(),this.contextmenuInput.destroy(),this.manager.destroy()}on(e,r,n){this._addEventHandler(e,r,n,!1)}once(e,r,n){this._addEventHandler(e,r,n,!0)}watch(e,r,n){this._addEventHandler(e,r,n,!1,!0)}off(e,r){this._removeEventHandler(e,r)}emit(e){this.manager?.emit(e.type,e)}_toggleRecognizer(e,r){let{manager:n}=this;if(!n)return;let i=n.get(e);i&&(i.set({enable:r,wheelSession:this.wheelSession}),n.touchAction.update()),this.wheelInput?.enableEventType(e,r),this.moveInput?.enableEventType(e,r),this.keyInput?.enableEventType(e,r),this.contextmenuInput?.enableEventType(e,r)}_addEventHandler(e,r,n,i,s){if(typeof e!="string"){n=r;for(let[l,f]of Object.entries(e))this._addEventHandler(l,f,n,i,s);return}let{manager:o,events:a}=this;if(!o)return;let c=a.get(e);if(!c){let l=this._getRecognizerName(e)||e;c=new yl(this,l),a.set(e,c),o&&o.on(e,c.handleEvent)}c.add(e,r,n,i,s),c.isEmpty()||this._toggleRecognizer(c.recognizerName,!0)}_removeEventHandler(e,r){if(typeof e!="string"){for(let[s,o]of Object.entries(e))this._removeEventHandler(s,o);return}let{events:n}=this,i=n.get(e);if(i&&(i.remove(e,r),i.isEmpty())){let{recognizerName:s}=i,o=!1;for(let a of n.values())if(a.recognizerName===s&&!a.isEmpty()){o=!0;break}o||this._toggleRecognizer(s,!1)}}_getRecognizerName(e){return this.manager.recognizers.find(r=>r.getEventNames().includes(e))?.options.event}};var Tp={DEFAULT:"default",LNGLAT:"lnglat",METER_OFFSETS:"meter-offsets",LNGLAT_OFFSETS:"lnglat-offsets",CARTESIAN:"cartesian"};Object.defineProperty(Tp,"IDENTITY",{get:()=>(D.deprecated("COORDINATE_SYSTEM.IDENTITY","COORDINATE_SYSTEM.CARTESIAN")(),Tp.CARTESIAN)});var xe={WEB_MERCATOR:1,GLOBE:2,WEB_MERCATOR_AUTO_OFFSET:4,IDENTITY:0},Pe={common:0,meters:1,pixels:2},Mi={click:"onClick",dblclick:"onClick",panstart:"onDragStart",panmove:"onDrag",panend:"onDragEnd"},Ap={multipan:[Or,{threshold:10,pointers:2,trackpad:!0}],pinch:[Ci,{trackpad:!0},null,["multipan"]],pan:[Or,{threshold:1},["pinch"],["multipan"]],dblclick:[Mn,{event:"dblclick",taps:2,enable:!1}],dblclickdrag:[Ai,{event:"dblclickdrag",enable:!1},["dblclick"],null],click:[Mn,{event:"click"},["dblclickdrag"],["dblclick","dblclickdrag"]]};function sO(t,e){if(t===e)return!0;if(Array.isArray(t)){let r=t.length;if(!e||e.length!==r)return!1;for(let n=0;n<r;n++)if(t[n]!==e[n])return!1;return!0}return!1}function Wt(t){let e={},r;return n=>{for(let i in n)if(!sO(n[i],e[i])){r=t(n),e=n;break}return r}}var yw=[0,0,0,0],oO=[1,0,0,0,0,1,0,0,0,0,1,0,0,0,0,0],_w=[1,0,0,0,0,1,0,0,0,0,1,0,0,0,0,1],aO=[0,0,0],xw=[0,0,0],cO={default:-1,cartesian:0,lnglat:1,"meter-offsets":2,"lnglat-offsets":3};function In(t){let e=cO[t];if(e===void 0)throw new Error(`Invalid coordinateSystem: ${t}`);return e}var lO=Wt(uO);function Lp(t,e,r=xw){r.length<3&&(r=[r[0],r[1],0]);let n=r,i,s=!0;switch(e==="lnglat-offsets"||e==="meter-offsets"?i=r:i=t.isGeospatial?[Math.fround(t.longitude),Math.fround(t.latitude),0]:null,t.projectionMode){case xe.WEB_MERCATOR:(e==="lnglat"||e==="cartesian")&&(i=[0,0,0],s=!1);break;case xe.WEB_MERCATOR_AUTO_OFFSET:e==="lnglat"?n=i:e==="cartesian"&&(n=[Math.fround(t.center[0]),Math.fround(t.center[1]),0],i=t.unprojectPosition(n),n[0]-=r[0],n[1]-=r[1],n[2]-=r[2]);break;case xe.IDENTITY:n=t.position.map(Math.fround),n[2]=n[2]||0;break;case xe.GLOBE:s=!1,i=null;break;default:s=!1}return{geospatialOrigin:i,shaderCoordinateOrigin:n,offsetMode:s}}function fO(t,e,r){let{viewMatrixUncentered:n,projectionMatrix:i}=t,{viewMatrix:s,viewProjectionMatrix:o}=t,a=yw,c=yw,l=t.cameraPosition,{geospatialOrigin:f,shaderCoordinateOrigin:u,offsetMode:d}=Lp(t,e,r);return d&&(c=t.projectPosition(f||u),l=[l[0]-c[0],l[1]-c[1],l[2]-c[2]],c[3]=1,a=bt.transformMat4([],c,o),s=n||s,o=me.multiply([],i,s),o=me.multiply([],o,oO)),{viewMatrix:s,viewProjectionMatrix:o,projectionCenter:a,originCommon:c,cameraPosCommon:l,shaderCoordinateOrigin:u,geospatialOrigin:f}}function bw({viewport:t,devicePixelRatio:e=1,modelMatrix:r=null,coordinateSystem:n="default",coordinateOrigin:i=xw,autoWrapLongitude:s=!1}){n==="default"&&(n=t.isGeospatial?"lnglat":"cartesian");let o=lO({viewport:t,devicePixelRatio:e,coordinateSystem:n,coordinateOrigin:i});return o.wrapLongitude=s,o.modelMatrix=r||_w,o}function uO({viewport:t,devicePixelRatio:e,coordinateSystem:r,coordinateOrigin:n}){let{projectionCenter:i,viewProjectionMatrix:s,originCommon:o,cameraPosCommon:a,shaderCoordinateOrigin:c,geospatialOrigin:l}=fO(t,r,n),f=t.getDistanceScales(),u=[t.width*e,t.height*e],d=bt.transformMat4([],[0,0,-t.focalDistance,1],t.projectionMatrix)[3]||1,h={coordinateSystem:In(r),projectionMode:t.projectionMode,coordinateOrigin:c,commonOrigin:o.slice(0,3),center:i,pseudoMeters:!!t._pseudoMeters,viewportSize:u,devicePixelRatio:e,focalDistance:d,commonUnitsPerMeter:f.unitsPerMeter,commonUnitsPerWorldUnit:f.unitsPerMeter,commonUnitsPerWorldUnit2:aO,scale:t.scale,wrapLongitude:!1,viewProjectionMatrix:s,modelMatrix:_w,cameraPosition:a};if(l){let p=t.getDistanceScales(l);switch(r){case"meter-offsets":h.commonUnitsPerWorldUnit=p.unitsPerMeter,h.commonUnitsPerWorldUnit2=p.unitsPerMeter2;break;case"lnglat":case"lnglat-offsets":t._pseudoMeters||(h.commonUnitsPerMeter=p.unitsPerMeter),h.commonUnitsPerWorldUnit=p.unitsPerDegree,h.commonUnitsPerWorldUnit2=p.unitsPerDegree2;break;case"cartesian":h.commonUnitsPerWorldUnit=[1,1,p.unitsPerMeter[2]],h.commonUnitsPerWorldUnit2=[0,0,p.unitsPerMeter2[2]];break;default:break}}if(t.projectionMode===xe.GLOBE&&r==="meter-offsets"){let g=n[0]*Math.PI/180,y=n[1]*Math.PI/180,_=Math.cos(y),x=((n[2]||0)/6370972+1)*256;h.commonOrigin=[Math.sin(g)*_*x,-Math.cos(g)*_*x,Math.sin(y)*x]}return h}var dO=["default","lnglat","meter-offsets","lnglat-offsets","cartesian"],hO=dO.map(t=>`const COORDINATE_SYSTEM_${t.toUpperCase().replaceAll("-","_")}: i32 = ${In(t)};`).join(""),pO=Object.keys(xe).map(t=>`const PROJECTION_MODE_${t}: i32 = ${xe[t]};`).join(""),mO=Object.keys(Pe).map(t=>`const UNIT_${t.toUpperCase()}: i32 = ${Pe[t]};`).join(""),gO=`${hO}
${pO}
${mO}

const TILE_SIZE: f32 = 512.0;
const PI: f32 = 3.1415926536;
const WORLD_SCALE: f32 = TILE_SIZE / (PI * 2.0);
const ZERO_64_LOW: vec3<f32> = vec3<f32>(0.0, 0.0, 0.0);
const EARTH_RADIUS: f32 = 6370972.0; // meters
const GLOBE_RADIUS: f32 = 256.0;

// -----------------------------------------------------------------------------
// Uniform block (converted from GLSL uniform block)
// -----------------------------------------------------------------------------
struct ProjectUniforms {
  wrapLongitude: i32,
  coordinateSystem: i32,
  commonUnitsPerMeter: vec3<f32>,
  projectionMode: i32,
  scale: f32,
  commonUnitsPerWorldUnit: vec3<f32>,
  commonUnitsPerWorldUnit2: vec3<f32>,
  center: vec4<f32>,
  modelMatrix: mat4x4<f32>,
  viewProjectionMatrix: mat4x4<f32>,
  viewportSize: vec2<f32>,
  devicePixelRatio: f32,
  focalDistance: f32,
  cameraPosition: vec3<f32>,
  coordinateOrigin: vec3<f32>,
  commonOrigin: vec3<f32>,
  pseudoMeters: i32,
};

@group(0) @binding(auto)
var<uniform> project: ProjectUniforms;

// -----------------------------------------------------------------------------
// Geometry data shared across the project helpers.
// The active layer shader is responsible for populating this private module
// state before calling the project functions below.
// -----------------------------------------------------------------------------

// Structure to carry additional geometry data used by deck.gl filters.
struct Geometry {
  worldPosition: vec3<f32>,
  worldPositionAlt: vec3<f32>,
  position: vec4<f32>,
  normal: vec3<f32>,
  uv: vec2<f32>,
  pickingColor: vec3<f32>,
};

var<private> geometry: Geometry;
`,ww=`${gO}

// -----------------------------------------------------------------------------
// Functions
// -----------------------------------------------------------------------------

// Returns an adjustment factor for commonUnitsPerMeter
fn _project_size_at_latitude(lat: f32) -> f32 {
  let y = clamp(lat, -89.9, 89.9);
  return 1.0 / cos(radians(y));
}

// Overloaded version: scales a value in meters at a given latitude.
fn _project_size_at_latitude_m(meters: f32, lat: f32) -> f32 {
  return meters * project.commonUnitsPerMeter.z * _project_size_at_latitude(lat);
}

// Computes a non-linear scale factor based on geometry.
// (Note: This function relies on "geometry" being provided.)
fn project_size() -> f32 {
  if (project.projectionMode == PROJECTION_MODE_WEB_MERCATOR &&
      project.coordinateSystem == COORDINATE_SYSTEM_LNGLAT &&
      project.pseudoMeters == 0) {
    if (geometry.position.w == 0.0) {
      return _project_size_at_latitude(geometry.worldPosition.y);
    }
    let y: f32 = geometry.position.y / TILE_SIZE * 2.0 - 1.0;
    let y2 = y * y;
    let y4 = y2 * y2;
    let y6 = y4 * y2;
    return 1.0 + 4.9348 * y2 + 4.0587 * y4 + 1.5642 * y6;
  }
  return 1.0;
}

// Overloads to scale offsets (meters to world units)
fn project_size_float(meters: f32) -> f32 {
  return meters * project.commonUnitsPerMeter.z * project_size();
}

fn project_size_vec2(meters: vec2<f32>) -> vec2<f32> {
  return meters * project.commonUnitsPerMeter.xy * project_size();
}

fn project_size_vec3(meters: vec3<f32>) -> vec3<f32> {
  return meters * project.commonUnitsPerMeter * project_size();
}

fn project_size_vec4(meters: vec4<f32>) -> vec4<f32> {
  return vec4<f32>(meters.xyz * project.commonUnitsPerMeter, meters.w);
}

// Returns a rotation matrix aligning the z\u2011axis with the given up vector.
fn project_get_orientation_matrix(up: vec3<f32>) -> mat3x3<f32> {
  let uz = normalize(up);
  let ux = select(
    vec3<f32>(1.0, 0.0, 0.0),
    normalize(vec3<f32>(uz.y, -uz.x, 0.0)),
    abs(uz.z) == 1.0
  );
  let uy = cross(uz, ux);
  return mat3x3<f32>(ux, uy, uz);
}

// Since WGSL does not support "out" parameters, we return a struct.
struct RotationResult {
  needsRotation: bool,
  transform: mat3x3<f32>,
};

fn project_needs_rotation(commonPosition: vec3<f32>) -> RotationResult {
  if (project.projectionMode == PROJECTION_MODE_GLOBE) {
    return RotationResult(true, project_get_orientation_matrix(commonPosition));
  } else {
    return RotationResult(false, mat3x3<f32>());  // identity alternative if needed
  };
}

// Projects a normal vector from the current coordinate system to world space.
fn project_normal(vector: vec3<f32>) -> vec3<f32> {
  let normal_modelspace = project.modelMatrix * vec4<f32>(vector, 0.0);
  var n = normalize(normal_modelspace.xyz * project.commonUnitsPerMeter);
  let rotResult = project_needs_rotation(geometry.position.xyz);
  if (rotResult.needsRotation) {
    n = rotResult.transform * n;
  }
  return n;
}

// Applies a scale offset based on y-offset (dy)
fn project_offset_(offset: vec4<f32>) -> vec4<f32> {
  let dy: f32 = offset.y;
  let commonUnitsPerWorldUnit = project.commonUnitsPerWorldUnit + project.commonUnitsPerWorldUnit2 * dy;
  return vec4<f32>(offset.xyz * commonUnitsPerWorldUnit, offset.w);
}

// Projects lng/lat coordinates to a unit tile [0,1]
fn project_mercator_(lnglat: vec2<f32>) -> vec2<f32> {
  var x = lnglat.x;
  if (project.wrapLongitude != 0) {
    x = ((x + 180.0) % 360.0) - 180.0;
  }
  let y = clamp(lnglat.y, -89.9, 89.9);
  return vec2<f32>(
    radians(x) + PI,
    PI + log(tan_fp32(PI * 0.25 + radians(y) * 0.5))
  ) * WORLD_SCALE;
}

// Projects lng/lat/z coordinates for a globe projection.
fn project_globe_(lnglatz: vec3<f32>) -> vec3<f32> {
  let lambda = radians(lnglatz.x);
  let phi = radians(lnglatz.y);
  let cosPhi = cos(phi);
  let D = (lnglatz.z / EARTH_RADIUS + 1.0) * GLOBE_RADIUS;
  return vec3<f32>(
    sin(lambda) * cosPhi,
    -cos(lambda) * cosPhi,
    sin(phi)
  ) * D;
}

// Projects positions (with an optional 64-bit low part) from the input
// coordinate system to the common space.
fn project_position_vec4_f64(position: vec4<f32>, position64Low: vec3<f32>) -> vec4<f32> {
  var position_world = project.modelMatrix * position;

  // Work around for a Mac+NVIDIA bug:
  if (project.projectionMode == PROJECTION_MODE_WEB_MERCATOR) {
    if (project.coordinateSystem == COORDINATE_SYSTEM_LNGLAT) {
      return vec4<f32>(
        project_mercator_(position_world.xy),
        _project_size_at_latitude_m(position_world.z, position_world.y),
        position_world.w
      );
    }
    if (project.coordinateSystem == COORDINATE_SYSTEM_CARTESIAN) {
      position_world = vec4f(position_world.xyz + project.coordinateOrigin, position_world.w);
    }
  }
  if (project.projectionMode == PROJECTION_MODE_GLOBE) {
    if (project.coordinateSystem == COORDINATE_SYSTEM_LNGLAT) {
      return vec4<f32>(
        project_globe_(position_world.xyz),
        position_world.w
      );
    }
    if (project.coordinateSystem == COORDINATE_SYSTEM_METER_OFFSETS) {
      let enuMatrix = project_get_orientation_matrix(project.commonOrigin);
      let metersToCommon = GLOBE_RADIUS / EARTH_RADIUS;
      let offsetCommon = (enuMatrix * vec3<f32>(-position_world.x, -position_world.y, position_world.z)) * metersToCommon;
      return vec4<f32>(project.commonOrigin + offsetCommon, position_world.w);
    }
  }
  if (project.projectionMode == PROJECTION_MODE_WEB_MERCATOR_AUTO_OFFSET) {
    if (project.coordinateSystem == COORDINATE_SYSTEM_LNGLAT) {
      if (abs(position_world.y - project.coordinateOrigin.y) > 0.25) {
        return vec4<f32>(
          project_mercator_(position_world.xy) - project.commonOrigin.xy,
          project_size_float(position_world.z),
          position_world.w
        );
      }
    }
  }
  if (project.projectionMode == PROJECTION_MODE_IDENTITY ||
      (project.projectionMode == PROJECTION_MODE_WEB_MERCATOR_AUTO_OFFSET &&
       (project.coordinateSystem == COORDINATE_SYSTEM_LNGLAT ||
        project.coordinateSystem == COORDINATE_SYSTEM_CARTESIAN))) {
    position_world = vec4f(position_world.xyz - project.coordinateOrigin, position_world.w);
  }

  return project_offset_(position_world) +
         project_offset_(project.modelMatrix * vec4<f32>(position64Low, 0.0));
}

// Overloaded versions for different input types.
fn project_position_vec4_f32(position: vec4<f32>) -> vec4<f32> {
  return project_position_vec4_f64(position, ZERO_64_LOW);
}

fn project_position_vec3_f64(position: vec3<f32>, position64Low: vec3<f32>) -> vec3<f32> {
  let projected_position = project_position_vec4_f64(vec4<f32>(position, 1.0), position64Low);
  return projected_position.xyz;
}

fn project_position_vec3_f32(position: vec3<f32>) -> vec3<f32> {
  let projected_position = project_position_vec4_f64(vec4<f32>(position, 1.0), ZERO_64_LOW);
  return projected_position.xyz;
}

fn project_position_vec2_f32(position: vec2<f32>) -> vec2<f32> {
  let projected_position = project_position_vec4_f64(vec4<f32>(position, 0.0, 1.0), ZERO_64_LOW);
  return projected_position.xy;
}

// Transforms a common space position to clip space.
fn project_common_position_to_clipspace_with_projection(position: vec4<f32>, viewProjectionMatrix: mat4x4<f32>, center: vec4<f32>) -> vec4<f32> {
  var clipPosition = viewProjectionMatrix * position + center;
  // deck.gl projection matrices use WebGL's [-w, w] depth range; WebGPU clips z to [0, w].
  clipPosition.z = (clipPosition.z + clipPosition.w) * 0.5;
  return clipPosition;
}

// Uses the project viewProjectionMatrix and center.
fn project_common_position_to_clipspace(position: vec4<f32>) -> vec4<f32> {
  return project_common_position_to_clipspace_with_projection(position, project.viewProjectionMatrix, project.center);
}

// Returns a clip space offset corresponding to a given number of screen pixels.
fn project_pixel_size_to_clipspace(pixels: vec2<f32>) -> vec2<f32> {
  let offset = pixels / project.viewportSize * project.devicePixelRatio * 2.0;
  return offset * project.focalDistance;
}

fn project_meter_size_to_pixel(meters: f32) -> f32 {
  return project_size_float(meters) * project.scale;
}

fn project_unit_size_to_pixel(size: f32, unit: i32) -> f32 {
  if (unit == UNIT_METERS) {
    return project_meter_size_to_pixel(size);
  } else if (unit == UNIT_COMMON) {
    return size * project.scale;
  }
  // UNIT_PIXELS: no scaling applied.
  return size;
}

fn project_pixel_size_float(pixels: f32) -> f32 {
  return pixels / project.scale;
}

fn project_pixel_size_vec2(pixels: vec2<f32>) -> vec2<f32> {
  return pixels / project.scale;
}
`;var yO=["default","lnglat","meter-offsets","lnglat-offsets","cartesian"],_O=yO.map(t=>`const int COORDINATE_SYSTEM_${t.toUpperCase().replaceAll("-","_")} = ${In(t)};`).join(""),xO=Object.keys(xe).map(t=>`const int PROJECTION_MODE_${t} = ${xe[t]};`).join(""),bO=Object.keys(Pe).map(t=>`const int UNIT_${t.toUpperCase()} = ${Pe[t]};`).join(""),vw=`${_O}
${xO}
${bO}
layout(std140) uniform projectUniforms {
bool wrapLongitude;
int coordinateSystem;
vec3 commonUnitsPerMeter;
int projectionMode;
float scale;
vec3 commonUnitsPerWorldUnit;
vec3 commonUnitsPerWorldUnit2;
vec4 center;
mat4 modelMatrix;
mat4 viewProjectionMatrix;
vec2 viewportSize;
float devicePixelRatio;
float focalDistance;
vec3 cameraPosition;
vec3 coordinateOrigin;
vec3 commonOrigin;
bool pseudoMeters;
} project;
const float TILE_SIZE = 512.0;
const float PI = 3.1415926536;
const float WORLD_SCALE = TILE_SIZE / (PI * 2.0);
const vec3 ZERO_64_LOW = vec3(0.0);
const float EARTH_RADIUS = 6370972.0;
const float GLOBE_RADIUS = 256.0;
float project_size_at_latitude(float lat) {
float y = clamp(lat, -89.9, 89.9);
return 1.0 / cos(radians(y));
}
float project_size() {
if (project.projectionMode == PROJECTION_MODE_WEB_MERCATOR &&
project.coordinateSystem == COORDINATE_SYSTEM_LNGLAT &&
project.pseudoMeters == false) {
if (geometry.position.w == 0.0) {
return project_size_at_latitude(geometry.worldPosition.y);
}
float y = geometry.position.y / TILE_SIZE * 2.0 - 1.0;
float y2 = y * y;
float y4 = y2 * y2;
float y6 = y4 * y2;
return 1.0 + 4.9348 * y2 + 4.0587 * y4 + 1.5642 * y6;
}
return 1.0;
}
float project_size_at_latitude(float meters, float lat) {
return meters * project.commonUnitsPerMeter.z * project_size_at_latitude(lat);
}
float project_size(float meters) {
return meters * project.commonUnitsPerMeter.z * project_size();
}
vec2 project_size(vec2 meters) {
return meters * project.commonUnitsPerMeter.xy * project_size();
}
vec3 project_size(vec3 meters) {
return meters * project.commonUnitsPerMeter * project_size();
}
vec4 project_size(vec4 meters) {
return vec4(meters.xyz * project.commonUnitsPerMeter, meters.w);
}
mat3 project_get_orientation_matrix(vec3 up) {
vec3 uz = normalize(up);
vec3 ux = abs(uz.z) == 1.0 ? vec3(1.0, 0.0, 0.0) : normalize(vec3(uz.y, -uz.x, 0));
vec3 uy = cross(uz, ux);
return mat3(ux, uy, uz);
}
bool project_needs_rotation(vec3 commonPosition, out mat3 transform) {
if (project.projectionMode == PROJECTION_MODE_GLOBE) {
transform = project_get_orientation_matrix(commonPosition);
return true;
}
return false;
}
vec3 project_normal(vec3 vector) {
vec4 normal_modelspace = project.modelMatrix * vec4(vector, 0.0);
vec3 n = normalize(normal_modelspace.xyz * project.commonUnitsPerMeter);
mat3 rotation;
if (project_needs_rotation(geometry.position.xyz, rotation)) {
n = rotation * n;
}
return n;
}
vec4 project_offset_(vec4 offset) {
float dy = offset.y;
vec3 commonUnitsPerWorldUnit = project.commonUnitsPerWorldUnit + project.commonUnitsPerWorldUnit2 * dy;
return vec4(offset.xyz * commonUnitsPerWorldUnit, offset.w);
}
vec2 project_mercator_(vec2 lnglat) {
float x = lnglat.x;
if (project.wrapLongitude) {
x = mod(x + 180., 360.0) - 180.;
}
float y = clamp(lnglat.y, -89.9, 89.9);
return vec2(
radians(x) + PI,
PI + log(tan_fp32(PI * 0.25 + radians(y) * 0.5))
) * WORLD_SCALE;
}
vec3 project_globe_(vec3 lnglatz) {
float lambda = radians(lnglatz.x);
float phi = radians(lnglatz.y);
float cosPhi = cos(phi);
float D = (lnglatz.z / EARTH_RADIUS + 1.0) * GLOBE_RADIUS;
return vec3(
sin(lambda) * cosPhi,
-cos(lambda) * cosPhi,
sin(phi)
) * D;
}
vec4 project_position(vec4 position, vec3 position64Low) {
vec4 position_world = project.modelMatrix * position;
if (project.projectionMode == PROJECTION_MODE_WEB_MERCATOR) {
if (project.coordinateSystem == COORDINATE_SYSTEM_LNGLAT) {
return vec4(
project_mercator_(position_world.xy),
project_size_at_latitude(position_world.z, position_world.y),
position_world.w
);
}
if (project.coordinateSystem == COORDINATE_SYSTEM_CARTESIAN) {
position_world.xyz += project.coordinateOrigin;
}
}
if (project.projectionMode == PROJECTION_MODE_GLOBE) {
if (project.coordinateSystem == COORDINATE_SYSTEM_LNGLAT) {
return vec4(
project_globe_(position_world.xyz),
position_world.w
);
}
if (project.coordinateSystem == COORDINATE_SYSTEM_METER_OFFSETS) {
mat3 enuMatrix = project_get_orientation_matrix(project.commonOrigin);
float metersToCommon = GLOBE_RADIUS / EARTH_RADIUS;
vec3 offsetCommon = (enuMatrix * vec3(-position_world.xy, position_world.z)) * metersToCommon;
return vec4(project.commonOrigin + offsetCommon, position_world.w);
}
}
if (project.projectionMode == PROJECTION_MODE_WEB_MERCATOR_AUTO_OFFSET) {
if (project.coordinateSystem == COORDINATE_SYSTEM_LNGLAT) {
if (abs(position_world.y - project.coordinateOrigin.y) > 0.25) {
return vec4(
project_mercator_(position_world.xy) - project.commonOrigin.xy,
project_size(position_world.z),
position_world.w
);
}
}
}
if (project.projectionMode == PROJECTION_MODE_IDENTITY ||
(project.projectionMode == PROJECTION_MODE_WEB_MERCATOR_AUTO_OFFSET &&
(project.coordinateSystem == COORDINATE_SYSTEM_LNGLAT ||
project.coordinateSystem == COORDINATE_SYSTEM_CARTESIAN))) {
position_world.xyz -= project.coordinateOrigin;
}
return project_offset_(position_world) + project_offset_(project.modelMatrix * vec4(position64Low, 0.0));
}
vec4 project_position(vec4 position) {
return project_position(position, ZERO_64_LOW);
}
vec3 project_position(vec3 position, vec3 position64Low) {
vec4 projected_position = project_position(vec4(position, 1.0), position64Low);
return projected_position.xyz;
}
vec3 project_position(vec3 position) {
vec4 projected_position = project_position(vec4(position, 1.0), ZERO_64_LOW);
return projected_position.xyz;
}
vec2 project_position(vec2 position) {
vec4 projected_position = project_position(vec4(position, 0.0, 1.0), ZERO_64_LOW);
return projected_position.xy;
}
vec4 project_common_position_to_clipspace(vec4 position, mat4 viewProjectionMatrix, vec4 center) {
return viewProjectionMatrix * position + center;
}
vec4 project_common_position_to_clipspace(vec4 position) {
return project_common_position_to_clipspace(position, project.viewProjectionMatrix, project.center);
}
vec2 project_pixel_size_to_clipspace(vec2 pixels) {
vec2 offset = pixels / project.viewportSize * project.devicePixelRatio * 2.0;
return offset * project.focalDistance;
}
float project_size_to_pixel(float meters) {
return project_size(meters) * project.scale;
}
vec2 project_size_to_pixel(vec2 meters) {
return project_size(meters) * project.scale;
}
float project_size_to_pixel(float size, int unit) {
if (unit == UNIT_METERS) return project_size_to_pixel(size);
if (unit == UNIT_COMMON) return size * project.scale;
return size;
}
float project_pixel_size(float pixels) {
return pixels / project.scale;
}
vec2 project_pixel_size(vec2 pixels) {
return pixels / project.scale;
}
`;var wO={};function vO(t=wO){return"viewport"in t?bw(t):{}}var Ii={name:"project",dependencies:[Tn,al],source:ww,vs:vw,getUniforms:vO,uniformTypes:{wrapLongitude:"f32",coordinateSystem:"i32",commonUnitsPerMeter:"vec3<f32>",projectionMode:"i32",scale:"f32",commonUnitsPerWorldUnit:"vec3<f32>",commonUnitsPerWorldUnit2:"vec3<f32>",center:"vec4<f32>",modelMatrix:"mat4x4<f32>",viewProjectionMatrix:"mat4x4<f32>",viewportSize:"vec2<f32>",devicePixelRatio:"f32",focalDistance:"f32",cameraPosition:"vec3<f32>",coordinateOrigin:"vec3<f32>",commonOrigin:"vec3<f32>",pseudoMeters:"f32"}};var EO=`// Define a structure to hold both the clip-space position and the common position.
struct ProjectResult {
  clipPosition: vec4<f32>,
  commonPosition: vec4<f32>,
};

// This function mimics the GLSL version with the 'out' parameter by returning both values.
fn project_position_to_clipspace_and_commonspace(
    position: vec3<f32>,
    position64Low: vec3<f32>,
    offset: vec3<f32>
) -> ProjectResult {
  // Compute the projected position.
  let projectedPosition: vec3<f32> = project_position_vec3_f64(position, position64Low);

  // Start with the provided offset.
  var finalOffset: vec3<f32> = offset;

  // Get whether a rotation is needed and the rotation matrix.
  let rotationResult = project_needs_rotation(projectedPosition);

  // If rotation is needed, update the offset.
  if (rotationResult.needsRotation) {
    finalOffset = rotationResult.transform * offset;
  }

  // Compute the common position.
  let commonPosition: vec4<f32> = vec4<f32>(projectedPosition + finalOffset, 1.0);

  // Convert to clip-space.
  let clipPosition: vec4<f32> = project_common_position_to_clipspace(commonPosition);

  return ProjectResult(clipPosition, commonPosition);
}

// A convenience overload that returns only the clip-space position.
fn project_position_to_clipspace(
    position: vec3<f32>,
    position64Low: vec3<f32>,
    offset: vec3<f32>
) -> vec4<f32> {
  return project_position_to_clipspace_and_commonspace(position, position64Low, offset).clipPosition;
}
`,SO=`vec4 project_position_to_clipspace(
  vec3 position, vec3 position64Low, vec3 offset, out vec4 commonPosition
) {
  vec3 projectedPosition = project_position(position, position64Low);
  mat3 rotation;
  if (project_needs_rotation(projectedPosition, rotation)) {
    // offset is specified as ENU
    // when in globe projection, rotate offset so that the ground alighs with the surface of the globe
    offset = rotation * offset;
  }
  commonPosition = vec4(projectedPosition + offset, 1.0);
  return project_common_position_to_clipspace(commonPosition);
}

vec4 project_position_to_clipspace(
  vec3 position, vec3 position64Low, vec3 offset
) {
  vec4 commonPosition;
  return project_position_to_clipspace(position, position64Low, offset, commonPosition);
}
`,jt={name:"project32",dependencies:[Ii],source:EO,vs:SO};_e();_e();function Cp(){return[1,0,0,0,0,1,0,0,0,0,1,0,0,0,0,1]}function Br(t,e){let r=bt.transformMat4([],e,t);return bt.scale(r,r,1/r[3]),r}function Eo(t,e,r){return t<e?e:t>r?r:t}function PO(t){return Math.log(t)*Math.LOG2E}var So=Math.log2||PO;_e();function vt(t,e){if(!t)throw new Error(e||"@math.gl/web-mercator: assertion failed.")}var Et=Math.PI,Ew=Et/4,dt=Et/180,Mp=180/Et,Ri=512,_l=4003e4,ki=85.051129,Sw=1.5;function Ip(t){return So(t)}function ht(t){let[e,r]=t;vt(Number.isFinite(e)),vt(Number.isFinite(r)&&r>=-90&&r<=90,"invalid latitude");let n=e*dt,i=r*dt,s=Ri*(n+Et)/(2*Et),o=Ri*(Et+Math.log(Math.tan(Ew+i*.5)))/(2*Et);return[s,o]}function et(t){let[e,r]=t,n=e/Ri*(2*Et)-Et,i=2*(Math.atan(Math.exp(r/Ri*(2*Et)-Et))-Ew);return[n*Mp,i*Mp]}function Rp(t){let{latitude:e}=t;vt(Number.isFinite(e));let r=Math.cos(e*dt);return Ip(_l*r)-9}function Po(t){let e=Math.cos(t*dt);return Ri/_l/e}function Oi(t){let{latitude:e,longitude:r,highPrecision:n=!1}=t;vt(Number.isFinite(e)&&Number.isFinite(r));let i=Ri,s=Math.cos(e*dt),o=i/360,a=o/s,c=i/_l/s,l={unitsPerMeter:[c,c,c],metersPerUnit:[1/c,1/c,1/c],unitsPerDegree:[o,a,c],degreesPerUnit:[1/o,1/a,1/c]};if(n){let f=dt*Math.tan(e*dt)/s,u=o*f/2,d=i/_l*f,h=d/a*c;l.unitsPerDegree2=[0,u,d],l.unitsPerMeter2=[h,0,h]}return l}function To(t,e){let[r,n,i]=t,[s,o,a]=e,{unitsPerMeter:c,unitsPerMeter2:l}=Oi({longitude:r,latitude:n,highPrecision:!0}),f=ht(t);f[0]+=s*(c[0]+l[0]*o),f[1]+=o*(c[1]+l[1]*o);let u=et(f),d=(i||0)+(a||0);return Number.isFinite(i)||Number.isFinite(a)?[u[0],u[1],d]:u}function xl(t){let{height:e,pitch:r,bearing:n,altitude:i,scale:s,center:o}=t,a=Cp();me.translate(a,a,[0,0,-i]),me.rotateX(a,a,-r*dt),me.rotateZ(a,a,n*dt);let c=s/e;return me.scale(a,a,[c,c,c]),o&&me.translate(a,a,Pn.negate([],o)),a}function kp(t){let{width:e,height:r,altitude:n,pitch:i=0,offset:s,center:o,scale:a,nearZMultiplier:c=1,farZMultiplier:l=1}=t,{fovy:f=Rn(Sw)}=t;n!==void 0&&(f=Rn(n));let u=f*dt,d=i*dt,h=Ao(f),p=h;o&&(p+=o[2]*a/Math.cos(d)/r);let m=u*(.5+(s?s[1]:0)/r),g=Math.sin(m)*p/Math.sin(Eo(Math.PI/2-d-m,.01,Math.PI-.01)),y=Math.sin(d)*g+p,_=p*10,x=Math.min(y*l,_);return{fov:u,aspect:e/r,focalDistance:h,near:c,far:x}}function Rn(t){return 2*Math.atan(.5/t)*Mp}function Ao(t){return .5/Math.tan(.5*t*dt)}function Dr(t,e){let[r,n,i=0]=t;return vt(Number.isFinite(r)&&Number.isFinite(n)&&Number.isFinite(i)),Br(e,[r,n,i,1])}function Ht(t,e,r=0){let[n,i,s]=t;if(vt(Number.isFinite(n)&&Number.isFinite(i),"invalid pixel coordinate"),Number.isFinite(s))return Br(e,[n,i,s,1]);let o=Br(e,[n,i,0,1]),a=Br(e,[n,i,1,1]),c=o[2],l=a[2],f=c===l?0:((r||0)-c)/(l-c);return ze.lerp([],o,a,f)}function bl(t){let{width:e,height:r,bounds:n,minExtent:i=0,maxZoom:s=24,offset:o=[0,0]}=t,[[a,c],[l,f]]=n,u=TO(t.padding),d=ht([a,Eo(f,-ki,ki)]),h=ht([l,Eo(c,-ki,ki)]),p=[Math.max(Math.abs(h[0]-d[0]),i),Math.max(Math.abs(h[1]-d[1]),i)],m=[e-u.left-u.right-Math.abs(o[0])*2,r-u.top-u.bottom-Math.abs(o[1])*2];vt(m[0]>0&&m[1]>0);let g=m[0]/p[0],y=m[1]/p[1],_=(u.right-u.left)/2/g,x=(u.top-u.bottom)/2/y,w=[(h[0]+d[0])/2+_,(h[1]+d[1])/2+x],v=et(w),S=Math.min(s,So(Math.abs(Math.min(g,y))));return vt(Number.isFinite(S)),{longitude:v[0],latitude:v[1],zoom:S}}function TO(t=0){return typeof t=="number"?{top:t,bottom:t,left:t,right:t}:(vt(Number.isFinite(t.top)&&Number.isFinite(t.bottom)&&Number.isFinite(t.left)&&Number.isFinite(t.right)),t)}_e();var Pw=Math.PI/180;function wl(t,e=0){let{width:r,height:n,unproject:i}=t,s={targetZ:e},o=i([0,n],s),a=i([r,n],s),c,l,f=t.fovy?.5*t.fovy*Pw:Math.atan(.5/t.altitude),u=(90-t.pitch)*Pw;return f>u-.01?(c=Tw(t,0,e),l=Tw(t,r,e)):(c=i([0,0],s),l=i([r,0],s)),[o,a,l,c]}function Tw(t,e,r){let{pixelUnprojectionMatrix:n}=t,i=Br(n,[e,0,1,1]),s=Br(n,[e,t.height,1,1]),a=(r*t.distanceScales.unitsPerMeter[2]-i[2])/(s[2]-i[2]),c=ze.lerp([],i,s,a),l=et(c);return l.push(r),l}var Lw=`
layout(std140) uniform shadowUniforms {
  bool drawShadowMap;
  bool useShadowMap;
  vec4 color;
  highp int lightId;
  float lightCount;
  mat4 viewProjectionMatrix0;
  mat4 viewProjectionMatrix1;
  vec4 projectCenter0;
  vec4 projectCenter1;
} shadow;
`,CO=`
const int max_lights = 2;

out vec3 shadow_vPosition[max_lights];

vec4 shadow_setVertexPosition(vec4 position_commonspace) {
  mat4 viewProjectionMatrices[max_lights];
  viewProjectionMatrices[0] = shadow.viewProjectionMatrix0;
  viewProjectionMatrices[1] = shadow.viewProjectionMatrix1;
  vec4 projectCenters[max_lights];
  projectCenters[0] = shadow.projectCenter0;
  projectCenters[1] = shadow.projectCenter1;

  if (shadow.drawShadowMap) {
    return project_common_position_to_clipspace(position_commonspace, viewProjectionMatrices[shadow.lightId], projectCenters[shadow.lightId]);
  }
  if (shadow.useShadowMap) {
    for (int i = 0; i < max_lights; i++) {
      if(i < int(shadow.lightCount)) {
        vec4 shadowMap_position = project_common_position_to_clipspace(position_commonspace, viewProjectionMatrices[i], projectCenters[i]);
        shadow_vPosition[i] = (shadowMap_position.xyz / shadowMap_position.w + 1.0) / 2.0;
      }
    }
  }
  return gl_Position;
}
`,MO=`
${Lw}
${CO}
`,IO=`
const int max_lights = 2;
uniform sampler2D shadow_uShadowMap0;
uniform sampler2D shadow_uShadowMap1;

in vec3 shadow_vPosition[max_lights];

const vec4 bitPackShift = vec4(1.0, 255.0, 65025.0, 16581375.0);
const vec4 bitUnpackShift = 1.0 / bitPackShift;
const vec4 bitMask = vec4(1.0 / 255.0, 1.0 / 255.0, 1.0 / 255.0,  0.0);

float shadow_getShadowWeight(vec3 position, sampler2D shadowMap) {
  vec4 rgbaDepth = texture(shadowMap, position.xy);

  float z = dot(rgbaDepth, bitUnpackShift);
  return smoothstep(0.001, 0.01, position.z - z);
}

vec4 shadow_filterShadowColor(vec4 color) {
  if (shadow.drawShadowMap) {
    vec4 rgbaDepth = fract(gl_FragCoord.z * bitPackShift);
    rgbaDepth -= rgbaDepth.gbaa * bitMask;
    return rgbaDepth;
  }
  if (shadow.useShadowMap) {
    float shadowAlpha = 0.0;
    shadowAlpha += shadow_getShadowWeight(shadow_vPosition[0], shadow_uShadowMap0);
    if(shadow.lightCount > 1.0) {
      shadowAlpha += shadow_getShadowWeight(shadow_vPosition[1], shadow_uShadowMap1);
    }
    shadowAlpha *= shadow.color.a / shadow.lightCount;
    float blendedAlpha = shadowAlpha + color.a * (1.0 - shadowAlpha);

    return vec4(
      mix(color.rgb, shadow.color.rgb, shadowAlpha / blendedAlpha),
      blendedAlpha
    );
  }
  return color;
}
`,RO=`
${Lw}
${IO}
`,kO=Wt(FO),OO=Wt(zO),BO=[0,0,0,1],DO=[1,0,0,0,0,1,0,0,0,0,1,0,0,0,0,0];function NO(t,e){let[r,n,i]=t,s=Ht([r,n,i],e);return Number.isFinite(i)?s:[s[0],s[1],0]}function FO({viewport:t,center:e}){return new he(t.viewProjectionMatrix).invert().transform(e)}function zO({viewport:t,shadowMatrices:e}){let r=[],n=t.pixelUnprojectionMatrix,i=t.isGeospatial?void 0:1,s=[[0,0,i],[t.width,0,i],[0,t.height,i],[t.width,t.height,i],[0,0,-1],[t.width,0,-1],[0,t.height,-1],[t.width,t.height,-1]].map(o=>NO(o,n));for(let o of e){let a=o.clone().translate(new Se(t.center).negate()),c=s.map(f=>a.transform(f)),l=new he().ortho({left:Math.min(...c.map(f=>f[0])),right:Math.max(...c.map(f=>f[0])),bottom:Math.min(...c.map(f=>f[1])),top:Math.max(...c.map(f=>f[1])),near:Math.min(...c.map(f=>-f[2])),far:Math.max(...c.map(f=>-f[2]))});r.push(l.multiplyRight(o))}return r}function UO(t){let{shadowEnabled:e=!0,project:r}=t;if(!e||!r||!t.shadowMatrices||!t.shadowMatrices.length)return{drawShadowMap:!1,useShadowMap:!1,shadow_uShadowMap0:t.dummyShadowMap,shadow_uShadowMap1:t.dummyShadowMap};let n=Ii.getUniforms(r),i=kO({viewport:r.viewport,center:n.center}),s=[],o=OO({shadowMatrices:t.shadowMatrices,viewport:r.viewport}).slice();for(let c=0;c<t.shadowMatrices.length;c++){let l=o[c],f=l.clone().translate(new Se(r.viewport.center).negate());n.coordinateSystem===In("lnglat")&&n.projectionMode===xe.WEB_MERCATOR?(o[c]=f,s[c]=i):(o[c]=l.clone().multiplyRight(DO),s[c]=f.transform(i))}let a={drawShadowMap:!!t.drawToShadowMap,useShadowMap:t.shadowMaps?t.shadowMaps.length>0:!1,color:t.shadowColor||BO,lightId:t.shadowLightId||0,lightCount:t.shadowMatrices.length,shadow_uShadowMap0:t.dummyShadowMap,shadow_uShadowMap1:t.dummyShadowMap};for(let c=0;c<o.length;c++)a[`viewProjectionMatrix${c}`]=o[c],a[`projectCenter${c}`]=s[c];for(let c=0;c<2;c++)a[`shadow_uShadowMap${c}`]=t.shadowMaps&&t.shadowMaps[c]||t.dummyShadowMap;return a}var vl={name:"shadow",dependencies:[Ii],vs:MO,fs:RO,inject:{"vs:DECKGL_FILTER_GL_POSITION":`
    position = shadow_setVertexPosition(geometry.position);
    `,"fs:DECKGL_FILTER_COLOR":`
    color = shadow_filterShadowColor(color);
    `},getUniforms:UO,uniformTypes:{drawShadowMap:"f32",useShadowMap:"f32",color:"vec4<f32>",lightId:"i32",lightCount:"f32",viewProjectionMatrix0:"mat4x4<f32>",viewProjectionMatrix1:"mat4x4<f32>",projectCenter0:"vec4<f32>",projectCenter1:"vec4<f32>"}};je();var El=10,Lo=16777215;function Mw(t,e){t.length===El?D.warn(`pickMultipleObjects can only exclude ${El} previously picked objects for layers without picking buffers`)():t.push(e)}var $O=`  float disabledPickingIndexCount;
  vec4 disabledPickingIndices0;
  vec4 disabledPickingIndices1;
  vec4 disabledPickingIndices2;
`;function Cw(t){return t.replace(`  vec4 highlightColor;
} picking;`,`  vec4 highlightColor;
${$O}} picking;`)}function Op(t,e){return[t[e]||0,t[e+1]||0,t[e+2]||0,t[e+3]||0]}var GO=`vec3 picking_getPickingColorFromIndex(float objectIndex) {
  if (objectIndex < 0.0 || objectIndex >= ${Lo}.0) {
    return vec3(0.0);
  }

  for (int i = 0; i < ${El}; i++) {
    if (float(i) >= picking.disabledPickingIndexCount) {
      break;
    }
    vec4 disabledIndices = i < 4
      ? picking.disabledPickingIndices0
      : (i < 8 ? picking.disabledPickingIndices1 : picking.disabledPickingIndices2);
    float disabledIndex = disabledIndices[i - (i / 4) * 4];
    if (disabledIndex == objectIndex) {
      return vec3(0.0);
    }
  }

  float encodedIndex = objectIndex + 1.0;
  return vec3(
    mod(encodedIndex, 256.0),
    mod(floor(encodedIndex / 256.0), 256.0),
    mod(floor(encodedIndex / 65536.0), 256.0)
  );
}

vec3 picking_getPickingColorFromIndex(uint objectIndex) {
  return picking_getPickingColorFromIndex(float(objectIndex));
}

vec3 picking_getPickingColorFromInstanceID() {
  return picking_getPickingColorFromIndex(float(gl_InstanceID));
}

void picking_setPickingColorFromInstanceID() {
  picking_setPickingColor(picking_getPickingColorFromInstanceID());
}
`,VO=`struct pickingUniforms {
  isActive: f32,
  isAttribute: f32,
  isHighlightActive: f32,
  useByteColors: f32,
  highlightedObjectColor: vec3<f32>,
  highlightColor: vec4<f32>,
  disabledPickingIndexCount: f32,
  disabledPickingIndices0: vec4<f32>,
  disabledPickingIndices1: vec4<f32>,
  disabledPickingIndices2: vec4<f32>,
};

@group(0) @binding(auto) var<uniform> picking: pickingUniforms;

fn picking_normalizeColor(color: vec3<f32>) -> vec3<f32> {
  return select(color, color / 255.0, picking.useByteColors > 0.5);
}

fn picking_normalizeColor4(color: vec4<f32>) -> vec4<f32> {
  return select(color, color / 255.0, picking.useByteColors > 0.5);
}

fn picking_isColorZero(color: vec3<f32>) -> bool {
  return dot(color, vec3<f32>(1.0)) < 0.00001;
}

fn picking_isColorValid(color: vec3<f32>) -> bool {
  return dot(color, vec3<f32>(1.0)) > 0.00001;
}

fn picking_getPickingColorFromIndex(objectIndex: u32) -> vec3<f32> {
  if (objectIndex >= ${Lo}u) {
    return vec3<f32>(0.0);
  }

  for (var i = 0; i < ${El}; i = i + 1) {
    if (f32(i) >= picking.disabledPickingIndexCount) {
      break;
    }
    let disabledIndices = select(
      picking.disabledPickingIndices2,
      select(picking.disabledPickingIndices1, picking.disabledPickingIndices0, i < 4),
      i < 8
    );
    let disabledIndex = disabledIndices[i % 4];
    if (disabledIndex == f32(objectIndex)) {
      return vec3<f32>(0.0);
    }
  }

  let encodedIndex = objectIndex + 1u;
  return vec3<f32>(
    f32(encodedIndex % 256u),
    f32((encodedIndex / 256u) % 256u),
    f32((encodedIndex / 65536u) % 256u)
  ) / 255.0;
}
`,Yt={...kr,vs:`${Cw(kr.vs)}
${GO}`,fs:Cw(kr.fs),source:VO,uniformTypes:{...kr.uniformTypes,disabledPickingIndexCount:"f32",disabledPickingIndices0:"vec4<f32>",disabledPickingIndices1:"vec4<f32>",disabledPickingIndices2:"vec4<f32>"},defaultUniforms:{...kr.defaultUniforms,useByteColors:!0,disabledPickingIndexCount:0,disabledPickingIndices0:[0,0,0,0],disabledPickingIndices1:[0,0,0,0],disabledPickingIndices2:[0,0,0,0]},getUniforms(t,e){let r=kr.getUniforms(t,e),n=t.disabledPickingIndices||[];return r.disabledPickingIndexCount=n.length,r.disabledPickingIndices0=Op(n,0),r.disabledPickingIndices1=Op(n,4),r.disabledPickingIndices2=Op(n,8),r},inject:{"vs:DECKGL_FILTER_GL_POSITION":`
    // for picking depth values
    picking_setPickingAttribute(position.z / position.w);
  `,"vs:DECKGL_FILTER_COLOR":`
  picking_setPickingColor(geometry.pickingColor);
  `,"fs:DECKGL_FILTER_COLOR":{order:99,injection:`
  // use highlight color if this fragment belongs to the selected object.
  color = picking_filterHighlightColor(color);

  // use picking color if rendering to picking FBO.
  color = picking_filterPickingColor(color);
    `}}};var HO=[al],YO=["vs:DECKGL_FILTER_SIZE(inout vec3 size, VertexGeometry geometry)","vs:DECKGL_FILTER_GL_POSITION(inout vec4 position, VertexGeometry geometry)","vs:DECKGL_FILTER_COLOR(inout vec4 color, VertexGeometry geometry)","fs:DECKGL_FILTER_COLOR(inout vec4 color, FragmentGeometry geometry)"],qO=[];function Iw(t){let e=ft.getDefaultShaderAssembler(t);for(let n of HO)e.addDefaultModule(n);e._hookFunctions.length=0;let r=t==="glsl"?YO:qO;for(let n of r)e.addShaderHook(n);return e}var XO=[255,255,255],ZO=1,KO=0,Sl=class{constructor(e={}){this.type="ambient";let{color:r=XO}=e,{intensity:n=ZO}=e;this.id=e.id||`ambient-${KO++}`,this.color=r,this.intensity=n}};_e();var QO=[255,255,255],JO=1,eB=[0,0,-1],tB=0,Co=class{constructor(e={}){this.type="directional";let{color:r=QO}=e,{intensity:n=JO}=e,{direction:i=eB}=e,{_shadow:s=!1}=e;this.id=e.id||`directional-${tB++}`,this.color=r,this.intensity=n,this.type="directional",this.direction=new Se(i).normalize().toArray(),this.shadow=s}getProjectedLight(e){return this}};_e();var Mo=class{constructor(e,r={id:"pass"}){let{id:n}=r;this.id=n,this.device=e,this.props={...r}}setProps(e){Object.assign(this.props,e)}render(e){}cleanup(){}};var rB={depthWriteEnabled:!0,depthCompare:"less-equal",blendColorOperation:"add",blendColorSrcFactor:"one",blendColorDstFactor:"one-minus-src-alpha",blendAlphaOperation:"add",blendAlphaSrcFactor:"one",blendAlphaDstFactor:"one-minus-src-alpha"},fr=class extends Mo{constructor(){super(...arguments),this._lastRenderIndex=-1}render(e){this._render(e)}_render(e){let{canvasContext:r=this.device.canvasContext}=e,n=e.target??r.getCurrentFramebuffer(),[i,s]=r.getDrawingBufferSize(),o=e.clearCanvas??!0,a=e.clearColor??(o?[0,0,0,0]:!1),c=o?1:!1,l=o?0:!1,f=e.colorMask??15,u={viewport:[0,0,i,s]};e.colorMask&&(u.colorMask=f),e.scissorRect&&(u.scissorRect=e.scissorRect);let{shaderModuleProps:d,viewports:h,views:p,onViewportActive:m,clearStack:g=!0}=e,y=e.pass||"unknown",_=this.device.type==="webgpu";g&&(this._lastRenderIndex=-1);let x=[];if(!h.length)return this.device.beginRenderPass({framebuffer:n,parameters:u,clearColor:a,clearDepth:c,clearStencil:l}).end(),this.device.submit(),x;try{for(let w of h){m?.(w);let v=this._getDrawLayerParams(w,e),S=p&&p[w.id],A=w.subViewports||[w],L=_?A.map(C=>[C]):[A];for(let C of L){let T=this.device.beginRenderPass({framebuffer:n,parameters:u,clearColor:a,clearDepth:c,clearStencil:l});try{for(let O of C){let k=this._drawLayersInViewport(T,{target:n,canvasContext:r,shaderModuleProps:d,viewport:O,view:S,pass:y,layers:e.layers,isPicking:e.isPicking},v);x.push(k)}}finally{T.end(),_&&this.device.submit()}a=!1,c=!1,l=!1}}return x}finally{_||this.device.submit()}}_getDrawLayerParams(e,{layers:r,pass:n,isPicking:i=!1,layerFilter:s,cullRect:o,views:a,effects:c,canvasContext:l=this.device.canvasContext,shaderModuleProps:f},u=!1){let d=[],h=kw(this._lastRenderIndex+1),p={layer:r[0],viewport:e,isPicking:i,renderPass:n,cullRect:o},m={};for(let g=0;g<r.length;g++){let y=r[g],_=this._shouldDrawLayer(y,p,s,m),x={shouldDrawLayer:_};if(_&&!u){x.shouldDrawLayer=!0,x.layerRenderIndex=h(y,_),x.shaderModuleProps=this._getShaderModuleProps(y,c,n,l,f);let w=y.context.device.type==="webgpu"?rB:null;x.layerParameters={...w,...y.context.deck?.props.parameters,...a?.[e.id]?.props.parameters,...this.getLayerParameters(y,g,e)}}d[g]=x}return d}_drawLayersInViewport(e,{layers:r,shaderModuleProps:n,pass:i,target:s,canvasContext:o,viewport:a,view:c,isPicking:l},f){let u=nB(this.device,{canvasContext:o,shaderModuleProps:n,target:s,viewport:a});if(c){let{clear:h,clearColor:p,clearDepth:m,clearStencil:g}=c.props;if(h){let y=[0,0,0,0],_=1,x=0;Array.isArray(p)&&!l?y=[...p.slice(0,3),p[3]||255].map(v=>v/255):p===!1&&(y=!1),m!==void 0&&(_=m),g!==void 0&&(x=g),this.device.beginRenderPass({framebuffer:s,parameters:{viewport:u,scissorRect:u},clearColor:y,clearDepth:_,clearStencil:x}).end()}}let d={totalCount:r.length,visibleCount:0,compositeCount:0,pickableCount:0};e.setParameters({viewport:u});for(let h=0;h<r.length;h++){let p=r[h],m=f[h],{shouldDrawLayer:g}=m;if(g&&p.props.pickable&&d.pickableCount++,p.isComposite&&d.compositeCount++,p.isDrawable&&m.shouldDrawLayer){let{layerRenderIndex:y,shaderModuleProps:_,layerParameters:x}=m;d.visibleCount++,this._lastRenderIndex=Math.max(this._lastRenderIndex,y),_.project&&(_.project.viewport=a),p.context.renderPass=e;try{p._drawLayer({renderPass:e,shaderModuleProps:_,uniforms:{layerIndex:y},parameters:x})}catch(w){p.raiseError(w,`drawing ${p} to ${i}`)}}}return d}shouldDrawLayer(e){return!0}getShaderModuleProps(e,r,n){return null}getLayerParameters(e,r,n){return e.props.parameters}_shouldDrawLayer(e,r,n,i){if(!(e.props.visible&&this.shouldDrawLayer(e)))return!1;r.layer=e;let o=e.parent;for(;o;){if(!o.props.visible||!o.filterSubLayer(r))return!1;r.layer=o,o=o.parent}if(n){let a=r.layer.id;if(a in i||(i[a]=n(r)),!i[a])return!1}return e.activateViewport(r.viewport),!0}_getShaderModuleProps(e,r,n,i,s){let o=i.cssToDeviceRatio(),a=e.internalState?.propsInTransition||e.props,c={layer:a,picking:{isActive:!1},project:{viewport:e.context.viewport,devicePixelRatio:o,modelMatrix:a.modelMatrix,coordinateSystem:a.coordinateSystem,coordinateOrigin:a.coordinateOrigin,autoWrapLongitude:e.wrapLongitude}};if(r)for(let l of r)Rw(c,l.getShaderModuleProps?.(e,c));for(let l of e.context.defaultShaderModules)l.name in c||(c[l.name]={});return Rw(c,this.getShaderModuleProps(e,r,c),s)}};function kw(t=0,e={}){let r={},n=(i,s)=>{let o=i.props._offset,a=i.id,c=i.parent&&i.parent.id,l;if(c&&!(c in e)&&n(i.parent,!1),c in r){let f=r[c]=r[c]||kw(e[c],e);l=f(i,s),r[a]=f}else Number.isFinite(o)?(l=o+(e[c]||0),r[a]=null):l=t;return s&&l>=t&&(t=l+1),e[a]=l,l};return n}function nB(t,{canvasContext:e=t.canvasContext,shaderModuleProps:r,target:n,viewport:i}){let s=r?.project?.devicePixelRatio??e.cssToDeviceRatio(),[,o]=e.getDrawingBufferSize(),a=n?n.height:o,c=i;return[c.x*s,a-(c.y+c.height)*s,c.width*s,c.height*s]}function Rw(t,...e){for(let r of e)if(r)for(let n in r)t[n]?Object.assign(t[n],r[n]):t[n]=r[n];return t}var Io=class extends fr{constructor(e,r){super(e,r);let n=e.createTexture({format:"rgba8unorm",width:1,height:1,sampler:{minFilter:"linear",magFilter:"linear",addressModeU:"clamp-to-edge",addressModeV:"clamp-to-edge"}}),i=e.createTexture({format:"depth16unorm",width:1,height:1});this.fbo=e.createFramebuffer({id:"shadowmap",width:1,height:1,colorAttachments:[n],depthStencilAttachment:i})}delete(){this.fbo&&(this.fbo.destroy(),this.fbo=null)}getShadowMap(){return this.fbo.colorAttachments[0].texture}render(e){let r=this.fbo,n=this.device.canvasContext.cssToDeviceRatio(),i=e.viewports[0],s=i.width*n,o=i.height*n,a=[1,1,1,1];(s!==r.width||o!==r.height)&&r.resize({width:s,height:o}),super.render({...e,clearColor:a,target:r,pass:"shadow"})}getLayerParameters(e,r,n){return{...e.props.parameters,blend:!1,depthWriteEnabled:!0,depthCompare:"less-equal"}}shouldDrawLayer(e){return e.props.shadowEnabled!==!1}getShaderModuleProps(e,r,n){return{shadow:{project:n.project,drawToShadowMap:!0}}}};var iB={color:[255,255,255],intensity:1},Ow=[{color:[255,255,255],intensity:1,direction:[-1,3,-1]},{color:[255,255,255],intensity:.9,direction:[1,-8,-2.5]}],sB=[0,0,0,200/255],Bi=class{constructor(e={}){this.id="lighting-effect",this.shadowColor=sB,this.shadow=!1,this.directionalLights=[],this.pointLights=[],this.shadowPasses=[],this.dummyShadowMap=null,this.setProps(e)}setup(e){this.context=e;let{device:r,deck:n}=e;this.shadow&&!this.dummyShadowMap&&(this._createShadowPasses(r),n._addDefaultShaderModule(vl),this.dummyShadowMap=r.createTexture({width:1,height:1}))}setProps(e){this.ambientLight=void 0,this.directionalLights=[],this.pointLights=[];for(let r in e){let n=e[r];switch(n.type){case"ambient":this.ambientLight=n;break;case"directional":this.directionalLights.push(n);break;case"point":this.pointLights.push(n);break;default:}}this._applyDefaultLights(),this.shadow=this.directionalLights.some(r=>r.shadow),this.context&&this.setup(this.context),this.props=e}preRender({layers:e,layerFilter:r,viewports:n,onViewportActive:i,views:s}){if(this.shadow){this.shadowMatrices=this._calculateMatrices();for(let o=0;o<this.shadowPasses.length;o++)this.shadowPasses[o].render({layers:e,layerFilter:r,viewports:n,onViewportActive:i,views:s,shaderModuleProps:{shadow:{shadowLightId:o,dummyShadowMap:this.dummyShadowMap,shadowMatrices:this.shadowMatrices}}})}}getShaderModuleProps(e,r){let n=this.shadow?{project:r.project,shadowMaps:this.shadowPasses.map(o=>o.getShadowMap()),dummyShadowMap:this.dummyShadowMap,shadowColor:this.shadowColor,shadowMatrices:this.shadowMatrices}:{},i={enabled:!0,lights:this._getLights(e)},s=e.props.material;return{shadow:n,lighting:i,phongMaterial:s,gouraudMaterial:s}}cleanup(e){for(let r of this.shadowPasses)r.delete();this.shadowPasses.length=0,this.dummyShadowMap&&(this.dummyShadowMap.destroy(),this.dummyShadowMap=null,e.deck._removeDefaultShaderModule(vl))}_calculateMatrices(){let e=[];for(let r of this.directionalLights){let n=new he().lookAt({eye:new Se(r.direction).negate()});e.push(n)}return e}_createShadowPasses(e){for(let r=0;r<this.directionalLights.length;r++){let n=new Io(e);this.shadowPasses[r]=n}}_applyDefaultLights(){let{ambientLight:e,pointLights:r,directionalLights:n}=this;!e&&r.length===0&&n.length===0&&(this.ambientLight=new Sl(iB),this.directionalLights.push(new Co(Ow[0]),new Co(Ow[1])))}_getLights(e){let r=[];this.ambientLight&&r.push(this.ambientLight);for(let n of this.pointLights)r.push(n.getProjectedLight({layer:e}));for(let n of this.directionalLights)r.push(n.getProjectedLight({layer:e}));return r}};var Bp=class{constructor(e={}){this._pool=[],this.opts={overAlloc:2,poolSize:100},this.setOptions(e)}setOptions(e){Object.assign(this.opts,e)}allocate(e,r,{size:n=1,type:i,padding:s=0,copy:o=!1,initialize:a=!1,maxCount:c}){let l=i||e&&e.constructor||Float32Array,f=r*n+s;if(ArrayBuffer.isView(e)){if(f<=e.length)return e;if(f*e.BYTES_PER_ELEMENT<=e.buffer.byteLength)return new l(e.buffer,0,f)}let u=1/0;c&&(u=c*n+s);let d=this._allocate(l,f,a,u);return e&&o?d.set(e):a||d.fill(0,0,4),this._release(e),d}release(e){this._release(e)}_allocate(e,r,n,i){let s=Math.max(Math.ceil(r*this.opts.overAlloc),1);s>i&&(s=i);let o=this._pool,a=e.BYTES_PER_ELEMENT*s,c=o.findIndex(l=>l.byteLength>=a);if(c>=0){let l=new e(o.splice(c,1)[0],0,s);return n&&l.fill(0),l}return new e(s)}_release(e){if(!ArrayBuffer.isView(e))return;let r=this._pool,{buffer:n}=e,{byteLength:i}=n,s=r.findIndex(o=>o.byteLength>=i);s<0?r.push(n):(s>0||r.length<this.opts.poolSize)&&r.splice(s,0,n),r.length>this.opts.poolSize&&r.shift()}},ur=new Bp;_e();function Ni(){return[1,0,0,0,0,1,0,0,0,0,1,0,0,0,0,1]}function Dp(t,e){let r=t%e;return r<0?e+r:r}function Dw(t){return[t[12],t[13],t[14]]}function Nw(t){return{left:Di(t[3]+t[0],t[7]+t[4],t[11]+t[8],t[15]+t[12]),right:Di(t[3]-t[0],t[7]-t[4],t[11]-t[8],t[15]-t[12]),bottom:Di(t[3]+t[1],t[7]+t[5],t[11]+t[9],t[15]+t[13]),top:Di(t[3]-t[1],t[7]-t[5],t[11]-t[9],t[15]-t[13]),near:Di(t[3]+t[2],t[7]+t[6],t[11]+t[10],t[15]+t[14]),far:Di(t[3]-t[2],t[7]-t[6],t[11]-t[10],t[15]-t[14])}}var Bw=new Se;function Di(t,e,r,n){Bw.set(t,e,r);let i=Bw.len();return{distance:n/i,normal:new Se(-t/i,-e/i,-r/i)}}function oB(t){return t-Math.fround(t)}var Ro;function Fi(t,e){let{size:r=1,startIndex:n=0}=e,i=e.endIndex!==void 0?e.endIndex:t.length,s=(i-n)/r;Ro=ur.allocate(Ro,s,{type:Float32Array,size:r*2});let o=n,a=0;for(;o<i;){for(let c=0;c<r;c++){let l=t[o++];Ro[a+c]=l,Ro[a+c+r]=oB(l)}a+=r*2}return Ro.subarray(0,s*r*2)}function Fw(t){let e=null,r=!1;for(let n of t)n&&(e?(r||(e=[[e[0][0],e[0][1]],[e[1][0],e[1][1]]],r=!0),e[0][0]=Math.min(e[0][0],n[0][0]),e[0][1]=Math.min(e[0][1],n[0][1]),e[1][0]=Math.max(e[1][0],n[1][0]),e[1][1]=Math.max(e[1][1],n[1][1])):e=n);return e}_e();var aB=Math.PI/180,cB=Ni(),zw=[0,0,0],lB={unitsPerMeter:[1,1,1],metersPerUnit:[1,1,1]};function fB({width:t,height:e,orthographic:r,fovyRadians:n,focalDistance:i,padding:s,near:o,far:a}){let c=t/e,l=r?new he().orthographic({fovy:n,aspect:c,focalDistance:i,near:o,far:a}):new he().perspective({fovy:n,aspect:c,near:o,far:a});if(s){let{left:f=0,right:u=0,top:d=0,bottom:h=0}=s,p=ie((f+t-u)/2,0,t)-t/2,m=ie((d+e-h)/2,0,e)-e/2;l[8]-=p*2/t,l[9]+=m*2/e}return l}var Pl=class t{constructor(e={}){this._frustumPlanes={},this.id=e.id||this.constructor.displayName||"viewport",this.x=e.x||0,this.y=e.y||0,this.width=e.width||1,this.height=e.height||1,this.zoom=e.zoom||0,this.padding=e.padding,this.distanceScales=e.distanceScales||lB,this.focalDistance=e.focalDistance||1,this.position=e.position||zw,this.modelMatrix=e.modelMatrix||null;let{longitude:r,latitude:n}=e;this.isGeospatial=Number.isFinite(n)&&Number.isFinite(r),this._initProps(e),this._initMatrices(e),this.equals=this.equals.bind(this),this.project=this.project.bind(this),this.unproject=this.unproject.bind(this),this.projectPosition=this.projectPosition.bind(this),this.unprojectPosition=this.unprojectPosition.bind(this),this.projectFlat=this.projectFlat.bind(this),this.unprojectFlat=this.unprojectFlat.bind(this)}get subViewports(){return null}get metersPerPixel(){return this.distanceScales.metersPerUnit[2]/this.scale}get projectionMode(){return this.isGeospatial?this.zoom<12?xe.WEB_MERCATOR:xe.WEB_MERCATOR_AUTO_OFFSET:xe.IDENTITY}equals(e){return e instanceof t?this===e?!0:e.width===this.width&&e.height===this.height&&e.scale===this.scale&&e.projectionMode===this.projectionMode&&e.resolution===this.resolution&&Ut(e.distanceScales.unitsPerMeter,this.distanceScales.unitsPerMeter)&&Ut(e.projectionMatrix,this.projectionMatrix)&&Ut(e.viewMatrix,this.viewMatrix):!1}project(e,{topLeft:r=!0}={}){let n=this.projectPosition(e),i=Dr(n,this.pixelProjectionMatrix),[s,o]=i,a=r?o:this.height-o;return e.length===2?[s,a]:[s,a,i[2]]}unproject(e,{topLeft:r=!0,targetZ:n}={}){let[i,s,o]=e,a=r?s:this.height-s,c=n&&n*this.distanceScales.unitsPerMeter[2],l=Ht([i,a,o],this.pixelUnprojectionMatrix,c),[f,u,d]=this.unprojectPosition(l);return Number.isFinite(o)?[f,u,d]:Number.isFinite(n)?[f,u,n]:[f,u]}projectPosition(e){let[r,n]=this.projectFlat(e),i=(e[2]||0)*this.distanceScales.unitsPerMeter[2];return[r,n,i]}unprojectPosition(e){let[r,n]=this.unprojectFlat(e),i=(e[2]||0)*this.distanceScales.metersPerUnit[2];return[r,n,i]}projectFlat(e){if(this.isGeospatial){let r=ht(e);return r[1]=ie(r[1],-318,830),r}return e}unprojectFlat(e){return this.isGeospatial?et(e):e}getBounds(e={}){let r={targetZ:e.z||0},n=this.unproject([0,0],r),i=this.unproject([this.width,0],r),s=this.unproject([0,this.height],r),o=this.unproject([this.width,this.height],r);return[Math.min(n[0],i[0],s[0],o[0]),Math.min(n[1],i[1],s[1],o[1]),Math.max(n[0],i[0],s[0],o[0]),Math.max(n[1],i[1],s[1],o[1])]}getDistanceScales(e){return e&&this.isGeospatial?Oi({longitude:e[0],latitude:e[1],highPrecision:!0}):this.distanceScales}containsPixel({x:e,y:r,width:n=1,height:i=1}){return e<this.x+this.width&&this.x<e+n&&r<this.y+this.height&&this.y<r+i}getFrustumPlanes(){return this._frustumPlanes.near?this._frustumPlanes:(Object.assign(this._frustumPlanes,Nw(this.viewProjectionMatrix)),this._frustumPlanes)}panByPosition(e,r,n){return null}_initProps(e){let r=e.longitude,n=e.latitude;this.isGeospatial&&(Number.isFinite(e.zoom)||(this.zoom=Rp({latitude:n})+Math.log2(this.focalDistance)),this.distanceScales=e.distanceScales||Oi({latitude:n,longitude:r}));let i=Math.pow(2,this.zoom);this.scale=i;let{position:s,modelMatrix:o}=e,a=zw;if(s&&(a=o?new he(o).transformAsVector(s,[]):s),this.isGeospatial){let c=this.projectPosition([r,n,0]);this.center=new Se(a).scale(this.distanceScales.unitsPerMeter).add(c)}else this.center=this.projectPosition(a)}_initMatrices(e){let{viewMatrix:r=cB,projectionMatrix:n=null,orthographic:i=!1,fovyRadians:s,fovy:o=75,near:a=.1,far:c=1e3,padding:l=null,focalDistance:f=1}=e;this.viewMatrixUncentered=r,this.viewMatrix=new he().multiplyRight(r).translate(new Se(this.center).negate()),this.projectionMatrix=n||fB({width:this.width,height:this.height,orthographic:i,fovyRadians:s||o*aB,focalDistance:f,padding:l,near:a,far:c});let u=Ni();me.multiply(u,u,this.projectionMatrix),me.multiply(u,u,this.viewMatrix),this.viewProjectionMatrix=u,this.viewMatrixInverse=me.invert([],this.viewMatrix)||this.viewMatrix,this.cameraPosition=Dw(this.viewMatrixInverse);let d=Ni(),h=Ni();me.scale(d,d,[this.width/2,-this.height/2,1]),me.translate(d,d,[1,-1,0]),me.multiply(h,d,this.viewProjectionMatrix),this.pixelProjectionMatrix=h,this.pixelUnprojectionMatrix=me.invert(Ni(),this.pixelProjectionMatrix),this.pixelUnprojectionMatrix||D.warn("Pixel project matrix not invertible")()}};Pl.displayName="Viewport";var zi=Pl;_e();var Tl=class t extends zi{constructor(e={}){let{latitude:r=0,longitude:n=0,zoom:i=0,pitch:s=0,bearing:o=0,nearZMultiplier:a=.1,farZMultiplier:c=1.01,nearZ:l,farZ:f,orthographic:u=!1,projectionMatrix:d,repeat:h=!1,worldOffset:p=0,position:m,padding:g,legacyMeterSizes:y=!1}=e,{width:_,height:x,altitude:w=1.5}=e,v=Math.pow(2,i);_=_||1,x=x||1;let S,A=null;if(d)w=d[5]/2,S=Rn(w);else{e.fovy?(S=e.fovy,w=Ao(S)):S=Rn(w);let C;if(g){let{top:T=0,bottom:O=0}=g;C=[0,ie((T+x-O)/2,0,x)-x/2]}A=kp({width:_,height:x,scale:v,center:m&&[0,0,m[2]*Po(r)],offset:C,pitch:s,fovy:S,nearZMultiplier:a,farZMultiplier:c}),Number.isFinite(l)&&(A.near=l),Number.isFinite(f)&&(A.far=f)}let L=xl({height:x,pitch:s,bearing:o,scale:v,altitude:w});p&&(L=new he().translate([512*p,0,0]).multiplyLeft(L)),super({...e,width:_,height:x,viewMatrix:L,longitude:n,latitude:r,zoom:i,...A,fovy:S,focalDistance:w}),this.latitude=r,this.longitude=n,this.zoom=i,this.pitch=s,this.bearing=o,this.altitude=w,this.fovy=S,this.orthographic=u,this._subViewports=h?[]:null,this._pseudoMeters=y,Object.freeze(this)}get subViewports(){if(this._subViewports&&!this._subViewports.length){let e=this.getBounds(),r=Math.floor((e[0]+180)/360),n=Math.ceil((e[2]-180)/360);for(let i=r;i<=n;i++){let s=i?new t({...this,worldOffset:i}):this;this._subViewports.push(s)}}return this._subViewports}equals(e){return e instanceof t&&e._pseudoMeters===this._pseudoMeters&&super.equals(e)}projectPosition(e){if(this._pseudoMeters)return super.projectPosition(e);let[r,n]=this.projectFlat(e),i=(e[2]||0)*Po(e[1]);return[r,n,i]}unprojectPosition(e){if(this._pseudoMeters)return super.unprojectPosition(e);let[r,n]=this.unprojectFlat(e),i=(e[2]||0)/Po(n);return[r,n,i]}addMetersToLngLat(e,r){return To(e,r)}panByPosition(e,r,n){let i=Ht(r,this.pixelUnprojectionMatrix),s=this.projectFlat(e),o=ze.add([],s,ze.negate([],i)),a=ze.add([],this.center,o),[c,l]=this.unprojectFlat(a);return{longitude:c,latitude:l}}panByPosition3D(e,r){let n=e[2]||0,i=ze.sub([],e,this.unproject(r,{targetZ:n}));return{longitude:this.longitude+i[0],latitude:this.latitude+i[1]}}getBounds(e={}){let r=wl(this,e.z||0);return[Math.min(r[0][0],r[1][0],r[2][0],r[3][0]),Math.min(r[0][1],r[1][1],r[2][1],r[3][1]),Math.max(r[0][0],r[1][0],r[2][0],r[3][0]),Math.max(r[0][1],r[1][1],r[2][1],r[3][1])]}fitBounds(e,r={}){let{width:n,height:i}=this,{longitude:s,latitude:o,zoom:a}=bl({width:n,height:i,bounds:e,...r});return new t({width:n,height:i,longitude:s,latitude:o,zoom:a})}};Tl.displayName="WebMercatorViewport";var Al=Tl;_e();var Uw=[0,0,0];function Np(t,e,r=!1){let n=e.projectPosition(t);if(r&&e instanceof Al){let[i,s,o=0]=t,a=e.getDistanceScales([i,s]);n[2]=o*a.unitsPerMeter[2]}return n}function uB(t){let{viewport:e,modelMatrix:r,coordinateOrigin:n}=t,{coordinateSystem:i,fromCoordinateSystem:s,fromCoordinateOrigin:o}=t;return i==="default"&&(i=e.isGeospatial?"lnglat":"cartesian"),s===void 0?s=i:s==="default"&&(s=e.isGeospatial?"lnglat":"cartesian"),o===void 0&&(o=n),{viewport:e,coordinateSystem:i,coordinateOrigin:n,modelMatrix:r,fromCoordinateSystem:s,fromCoordinateOrigin:o}}function Ll(t,{viewport:e,modelMatrix:r,coordinateSystem:n,coordinateOrigin:i,offsetMode:s}){let[o,a,c=0]=t;switch(r&&([o,a,c]=bt.transformMat4([],[o,a,c,1],r)),n){case"default":return Ll(t,{viewport:e,modelMatrix:r,coordinateSystem:e.isGeospatial?"lnglat":"cartesian",coordinateOrigin:i,offsetMode:s});case"lnglat":return Np([o,a,c],e,s);case"lnglat-offsets":return Np([o+i[0],a+i[1],c+(i[2]||0)],e,s);case"meter-offsets":return Np(To(i,[o,a,c]),e,s);case"cartesian":return e.isGeospatial?[o+i[0],a+i[1],c+i[2]]:e.projectPosition([o,a,c]);default:throw new Error(`Invalid coordinateSystem: ${n}`)}}function $w(t,e){let{viewport:r,coordinateSystem:n,coordinateOrigin:i,modelMatrix:s,fromCoordinateSystem:o,fromCoordinateOrigin:a}=uB(e),{autoOffset:c=!0}=e,{geospatialOrigin:l=Uw,shaderCoordinateOrigin:f=Uw,offsetMode:u=!1}=c?Lp(r,n,i):{},d=Ll(t,{viewport:r,modelMatrix:s,coordinateSystem:o,coordinateOrigin:a,offsetMode:u});if(u){let h=r.projectPosition(l||f);Pn.sub(d,d,h)}return d}var YB={blendColorOperation:"add",blendColorSrcFactor:"one",blendColorDstFactor:"zero",blendAlphaOperation:"add",blendAlphaSrcFactor:"constant",blendAlphaDstFactor:"zero"},Bn=class extends fr{constructor(){super(...arguments),this._colorEncoderState=null}render(e){return"pickingFBO"in e?this._drawPickingBuffer(e):{decodePickingColor:null,stats:super._render(e)}}_drawPickingBuffer({layers:e,layerFilter:r,views:n,viewports:i,onViewportActive:s,pickingFBO:o,deviceRect:{x:a,y:c,width:l,height:f},cullRect:u,effects:d,pass:h="picking",pickZ:p,canvasContext:m,shaderModuleProps:g,clearColor:y}){this.pickZ=p;let _=this._resetColorEncoder(p),x=[a,c,l,f],w=super._render({target:o,layers:e,layerFilter:r,views:n,viewports:i,onViewportActive:s,cullRect:u,effects:d?.filter(S=>S.useInPicking),pass:h,canvasContext:m,isPicking:!0,shaderModuleProps:g,clearColor:y??[0,0,0,0],colorMask:15,scissorRect:x});return this._colorEncoderState=null,{decodePickingColor:_&&qB.bind(null,_),stats:w}}shouldDrawLayer(e){let{pickable:r,operation:n}=e.props;return r&&n.includes("draw")||n.includes("terrain")||n.includes("mask")}getShaderModuleProps(e,r,n){return{picking:{isActive:1,isAttribute:this.pickZ,disabledPickingIndices:e.internalState?.disabledPickingIndices},lighting:{enabled:!1}}}getLayerParameters(e,r,n){let i={...e.props.parameters},{pickable:s,operation:o}=e.props;return this._colorEncoderState?s&&o.includes("draw")?(Object.assign(i,YB),i.blend=!0,this.device.type==="webgpu"?i.blendConstant=bv(this._colorEncoderState,e,n):i.blendColor=bv(this._colorEncoderState,e,n),o.includes("terrain")&&e.state?._hasPickingCover&&(i.blendAlphaSrcFactor="one")):o.includes("terrain")&&(i.blend=!1):i.blend=!1,i}_resetColorEncoder(e){return this._colorEncoderState=e?null:{byLayer:new Map,byAlpha:[]},this._colorEncoderState}};function bv(t,e,r){let{byLayer:n,byAlpha:i}=t,s,o=n.get(e);return o?(o.viewports.push(r),s=o.a):(s=n.size+1,s<=255?(o={a:s,layer:e,viewports:[r]},n.set(e,o),i[s]=o):(D.warn("Too many pickable layers, only picking the first 255")(),s=0)),[0,0,0,s/255]}function qB(t,e){let r=t.byAlpha[e[3]];return r&&{pickedLayer:r.layer,pickedViewports:r.viewports,pickedObjectIndex:r.layer.decodePickingColor(e)}}oe();var Nr={NO_STATE:"Awaiting state",MATCHED:"Matched. State transferred from previous layer",INITIALIZED:"Initialized",AWAITING_GC:"Discarded. Awaiting garbage collection",AWAITING_FINALIZATION:"No longer matched. Awaiting garbage collection",FINALIZED:"Finalized! Awaiting garbage collection"},ji=Symbol.for("component"),pt=Symbol.for("propTypes"),Rl=Symbol.for("deprecatedProps"),dr=Symbol.for("asyncPropDefaults"),Zt=Symbol.for("asyncPropOriginal"),St=Symbol.for("asyncPropResolved");function Hi(t,e=()=>!0){return Array.isArray(t)?wv(t,e,[]):e(t)?[t]:[]}function wv(t,e,r){let n=-1;for(;++n<t.length;){let i=t[n];Array.isArray(i)?wv(i,e,r):e(i)&&r.push(i)}return r}function vv({target:t,source:e,start:r=0,count:n=1}){let i=e.length,s=n*i,o=0;for(let a=r;o<i;o++)t[a++]=e[o];for(;o<s;)o<s-o?(t.copyWithin(r+o,r,r+o),o*=2):(t.copyWithin(r+o,r,r+s-o),o=s);return t}Ts();var No=class{constructor(e,r,n){this._loadCount=0,this._subscribers=new Set,this.id=e,this.context=n,this.setData(r)}subscribe(e){this._subscribers.add(e)}unsubscribe(e){this._subscribers.delete(e)}inUse(){return this._subscribers.size>0}delete(){}getData(){return this.isLoaded?this._error?Promise.reject(this._error):this._content:this._loader.then(()=>this.getData())}setData(e,r){if(e===this._data&&!r)return;this._data=e;let n=++this._loadCount,i=e;typeof e=="string"&&(i=Sr(e)),i instanceof Promise?(this.isLoaded=!1,this._loader=i.then(s=>{this._loadCount===n&&(this.isLoaded=!0,this._error=void 0,this._content=s)}).catch(s=>{this._loadCount===n&&(this.isLoaded=!0,this._error=s||!0)})):(this.isLoaded=!0,this._error=void 0,this._content=e);for(let s of this._subscribers)s.onChange(this.getData())}};var Fo=class{constructor(e){this.protocol=e.protocol||"resource://",this._context={device:e.device,gl:e.device?.gl,resourceManager:this},this._resources={},this._consumers={},this._pruneRequest=null}contains(e){return e.startsWith(this.protocol)?!0:e in this._resources}add({resourceId:e,data:r,forceUpdate:n=!1,persistent:i=!0}){let s=this._resources[e];s?s.setData(r,n):(s=new No(e,r,this._context),this._resources[e]=s),s.persistent=i}remove(e){let r=this._resources[e];r&&(r.delete(),delete this._resources[e])}unsubscribe({consumerId:e}){let r=this._consumers[e];if(r){for(let n in r){let i=r[n],s=this._resources[i.resourceId];s&&s.unsubscribe(i)}delete this._consumers[e],this.prune()}}subscribe({resourceId:e,onChange:r,consumerId:n,requestId:i="default"}){let{_resources:s,protocol:o}=this;e.startsWith(o)&&(e=e.replace(o,""),s[e]||this.add({resourceId:e,data:null,persistent:!1}));let a=s[e];if(this._track(n,i,a,r),a)return a.getData()}prune(){this._pruneRequest||(this._pruneRequest=setTimeout(()=>this._prune(),0))}finalize(){for(let e in this._resources)this._resources[e].delete()}_track(e,r,n,i){let s=this._consumers,o=s[e]=s[e]||{},a=o[r],c=a&&a.resourceId&&this._resources[a.resourceId];c&&(c.unsubscribe(a),this.prune()),n&&(a?(a.onChange=i,a.resourceId=n.id):a={onChange:i,resourceId:n.id},o[r]=a,n.subscribe(a))}_prune(){this._pruneRequest=null;for(let e of Object.keys(this._resources)){let r=this._resources[e];!r.persistent&&!r.inUse()&&(r.delete(),delete this._resources[e])}}};var XB="layerManager.setLayers",ZB="layerManager.activateViewport",zo=class{constructor(e,r){this._lastRenderedLayers=[],this._needsRedraw=!1,this._needsUpdate=!1,this._nextLayers=null,this._debug=!1,this._defaultShaderModulesChanged=!1,this.activateViewport=a=>{ce(ZB,this,a),a&&(this.context.viewport=a)};let{deck:n,stats:i,viewport:s,timeline:o}=r||{};this.layers=[],this.resourceManager=new Fo({device:e,protocol:"deck://"}),this.context={mousePosition:null,userData:{},layerManager:this,device:e,gl:e?.gl,deck:n,shaderAssembler:Iw(e?.info?.shadingLanguage||"glsl"),defaultShaderModules:[gp],renderPass:void 0,stats:i||new at({id:"deck.gl"}),viewport:s||new zi({id:"DEFAULT-INITIAL-VIEWPORT"}),timeline:o||new On,resourceManager:this.resourceManager,onError:void 0},Object.seal(this)}finalize(){this.resourceManager.finalize();for(let e of this.layers)this._finalizeLayer(e)}needsRedraw(e={clearRedrawFlags:!1}){let r=this._needsRedraw;e.clearRedrawFlags&&(this._needsRedraw=!1);for(let n of this.layers){let i=n.getNeedsRedraw(e);r=r||i}return r}needsUpdate(){return this._nextLayers&&this._nextLayers!==this._lastRenderedLayers?"layers changed":this._defaultShaderModulesChanged?"shader modules changed":this._needsUpdate}setNeedsRedraw(e){this._needsRedraw=this._needsRedraw||e}setNeedsUpdate(e){this._needsUpdate=this._needsUpdate||e}getLayers({layerIds:e}={}){return e?this.layers.filter(r=>e.find(n=>r.id.indexOf(n)===0)):this.layers}setProps(e){"debug"in e&&(this._debug=e.debug),"userData"in e&&(this.context.userData=e.userData),"layers"in e&&(this._nextLayers=e.layers),"onError"in e&&(this.context.onError=e.onError)}setLayers(e,r){ce(XB,this,r,e),this._lastRenderedLayers=e;let n=Hi(e,Boolean);for(let i of n)i.context=this.context;this._updateLayers(this.layers,n)}updateLayers(){let e=this.needsUpdate();e&&(this.setNeedsRedraw(`updating layers: ${e}`),this.setLayers(this._nextLayers||this._lastRenderedLayers,e)),this._nextLayers=null}addDefaultShaderModule(e){let{defaultShaderModules:r}=this.context;r.find(n=>n.name===e.name)||(r.push(e),this._defaultShaderModulesChanged=!0)}removeDefaultShaderModule(e){let{defaultShaderModules:r}=this.context,n=r.findIndex(i=>i.name===e.name);n>=0&&(r.splice(n,1),this._defaultShaderModulesChanged=!0)}_handleError(e,r,n){n.raiseError(r,`${e} of ${n}`)}_updateLayers(e,r){let n={};for(let o of e)n[o.id]?D.warn(`Multiple old layers with same id ${o.id}`)():n[o.id]=o;if(this._defaultShaderModulesChanged){for(let o of e)o.setNeedsUpdate(),o.setChangeFlags({extensionsChanged:!0});this._defaultShaderModulesChanged=!1}let i=[];this._updateSublayersRecursively(r,n,i),this._finalizeOldLayers(n);let s=!1;for(let o of i)if(o.hasUniformTransition()){s=`Uniform transition in ${o}`;break}this._needsUpdate=s,this.layers=i}_updateSublayersRecursively(e,r,n){for(let i of e){i.context=this.context;let s=r[i.id];s===null&&D.warn(`Multiple new layers with same id ${i.id}`)(),r[i.id]=null;let o=null;try{this._debug&&s!==i&&i.validateProps(),s?(this._transferLayerState(s,i),this._updateLayer(i)):this._initializeLayer(i),n.push(i),o=i.isComposite?i.getSubLayers():null}catch(a){this._handleError("matching",a,i)}o&&this._updateSublayersRecursively(o,r,n)}}_finalizeOldLayers(e){for(let r in e){let n=e[r];n&&this._finalizeLayer(n)}}_initializeLayer(e){try{e._initialize(),e.lifecycle=Nr.INITIALIZED}catch(r){this._handleError("initialization",r,e)}}_transferLayerState(e,r){r._transferState(e),r.lifecycle=Nr.MATCHED,r!==e&&(e.lifecycle=Nr.AWAITING_GC)}_updateLayer(e){try{e._update()}catch(r){this._handleError("update",r,e)}}_finalizeLayer(e){this._needsRedraw=this._needsRedraw||`finalized ${e}`,e.lifecycle=Nr.AWAITING_FINALIZATION;try{e._finalize(),e.lifecycle=Nr.FINALIZED}catch(r){this._handleError("finalization",r,e)}}};function le(t,e,r){if(t===e)return!0;if(!r||!t||!e)return!1;if(Array.isArray(t)){if(!Array.isArray(e)||t.length!==e.length)return!1;for(let n=0;n<t.length;n++)if(!le(t[n],e[n],r-1))return!1;return!0}if(Array.isArray(e))return!1;if(typeof t=="object"&&typeof e=="object"){let n=Object.keys(t),i=Object.keys(e);if(n.length!==i.length)return!1;for(let s of n)if(!e.hasOwnProperty(s)||!le(t[s],e[s],r-1))return!1;return!0}return!1}var Fr="default-canvas",Uo=class{constructor(e){this.views=[],this.width=100,this.height=100,this.viewState={},this.controllers={},this.timeline=e.timeline,this._viewports=[],this._viewportMap={},this._isUpdating=!1,this._needsRedraw="First render",this._needsUpdate="Initialize",this._eventManager=e.eventManager,this._eventManagers=e.eventManagers||{},this._viewEventManagers={},this._eventCallbacks={onViewStateChange:e.onViewStateChange,onInteractionStateChange:e.onInteractionStateChange},this._pickPosition=e.pickPosition,this._getCanvasContext=e.getCanvasContext,Object.seal(this),this.setProps(e)}finalize(){for(let e in this.controllers){let r=this.controllers[e];r&&r.finalize()}this.controllers={}}needsRedraw(e={clearRedrawFlags:!1}){let r=this._needsRedraw;return e.clearRedrawFlags&&(this._needsRedraw=!1),r}setNeedsUpdate(e){this._needsUpdate=this._needsUpdate||e,this._needsRedraw=this._needsRedraw||e}updateViewStates(){for(let e in this.controllers){let r=this.controllers[e];r&&r.updateTransition()}}getViewports(e){return e?this._viewports.filter(r=>{let n=!e.canvasId||this.getCanvasId(r.id)===e.canvasId,i=!("x"in e)||r.containsPixel(e);return n&&i}):this._viewports}getViews(){let e={};return this.views.forEach(r=>{e[r.id]=r}),e}getView(e){return this.views.find(r=>r.id===e)}getViewState(e){let r=typeof e=="string"?this.getView(e):e,n=r&&this.viewState[r.getViewStateId()]||this.viewState;return r?r.filterViewState(n):n}getViewport(e){return this._viewportMap[e]}getCanvasId(e){let r=typeof e=="string"?this.getView(e):e;return r?this._viewEventManagers[r.id]?.canvasId||this._getCanvasIdFromView(r):void 0}unproject(e,r){let n=this.getViewports(),i={x:e[0],y:e[1]};for(let s=n.length-1;s>=0;--s){let o=n[s];if(o.containsPixel(i)){let a=e.slice();return a[0]-=o.x,a[1]-=o.y,o.unproject(a,r)}}return null}setProps(e){e.views&&this._setViews(e.views),e.viewState&&this._setViewState(e.viewState),("width"in e||"height"in e)&&this._setSize(e.width,e.height),"pickPosition"in e&&(this._pickPosition=e.pickPosition),"eventManagers"in e&&this._setEventManagers(e.eventManagers||{}),this._isUpdating||this._update()}_update(){this._isUpdating=!0,this._needsUpdate&&(this._needsUpdate=!1,this._rebuildViewports()),this._needsUpdate&&(this._needsUpdate=!1,this._rebuildViewports()),this._isUpdating=!1}_setSize(e,r){(e!==this.width||r!==this.height)&&(this.width=e,this.height=r,this.setNeedsUpdate("Size changed"))}_setViews(e){e=Hi(e,Boolean),this._diffViews(e,this.views)&&this.setNeedsUpdate("views changed"),this.views=e}_setViewState(e){e?(!le(e,this.viewState,3)&&this.setNeedsUpdate("viewState changed"),this.viewState=e):D.warn("missing `viewState` or `initialViewState`")()}_setEventManagers(e){this._eventManagers!==e&&(this._eventManagers=e,this.setNeedsUpdate("eventManagers changed"))}_getCanvasIdFromView(e){return e.props.canvasId||this._getCanvasContext?.(e.id)?.id||Fr}_getCanvasDimensions(e){let r=this._getCanvasContext?.(e.id),[n,i]=r?.getCSSSize()||[this.width,this.height];return{width:n,height:i}}_getViewEventManager(e){let r=this.getCanvasId(e)||Fr;return{canvasId:r,eventManager:this._eventManagers[r]||this._eventManager}}_startViewportRebuild(){let e=this.controllers,r=this._viewEventManagers;return this._viewports=[],this.controllers={},this._viewEventManagers={},{oldControllers:e,oldViewEventManagers:r}}_getReusableController(e,r,n){return e&&(r?.canvasId!==n.canvasId||r?.eventManager!==n.eventManager)?(e.finalize(),null):e}_createController(e,r){let n=r.type;return new n({timeline:this.timeline,eventManager:this._getViewEventManager(e).eventManager,onViewStateChange:this._eventCallbacks.onViewStateChange,onStateChange:this._eventCallbacks.onInteractionStateChange,makeViewport:s=>this.getView(e.id)?.makeViewport({viewState:s,...this._getCanvasDimensions(e)}),pickPosition:(s,o)=>this._pickPosition?.(s,o,e.id)})}_updateController(e,r,n,i){let s=e.controller;if(s&&n){let o={...r,...s,id:e.id,x:n.x,y:n.y,width:n.width,height:n.height};return(!i||i.constructor!==s.type)&&(i=this._createController(e,o)),i&&i.setProps(o),i}return null}_rebuildViewports(){let{views:e}=this,{oldControllers:r,oldViewEventManagers:n}=this._startViewportRebuild(),i=!1;for(let s=e.length;s--;){let o=e[s],{width:a,height:c}=this._getCanvasDimensions(o),l=this._getViewEventManager(o);this._viewEventManagers[o.id]=l;let f=this.getViewState(o),u=o.makeViewport({viewState:f,width:a,height:c}),d=this._getReusableController(r[o.id],n[o.id],l),h=!!o.controller;h&&!d&&(i=!0),(i||!h)&&d&&(d.finalize(),d=null),this.controllers[o.id]=this._updateController(o,f,u,d),u&&this._viewports.unshift(u)}for(let s in r){let o=r[s];o&&!this.controllers[s]&&o.finalize()}this._buildViewportMap()}_buildViewportMap(){this._viewportMap={},this._viewports.forEach(e=>{e.id&&(this._viewportMap[e.id]=this._viewportMap[e.id]||e)})}_diffViews(e,r){return e.length!==r.length?!0:e.some((n,i)=>!e[i].equals(r[i]))}};var KB=/^(?:\d+\.?\d*|\.\d+)$/;function He(t){switch(typeof t){case"number":if(!Number.isFinite(t))throw new Error(`Could not parse position string ${t}`);return{type:"literal",value:t};case"string":try{let e=QB(t);return new Kp(e).parseExpression()}catch(e){let r=e instanceof Error?e.message:String(e);throw new Error(`Could not parse position string ${t}: ${r}`)}default:throw new Error(`Could not parse position string ${t}`)}}function Zp(t,e){switch(t.type){case"literal":return t.value;case"percentage":return Math.round(t.value*e);case"binary":let r=Zp(t.left,e),n=Zp(t.right,e);return t.operator==="+"?r+n:r-n;default:throw new Error("Unknown layout expression type")}}function Ye(t,e){return Zp(t,e)}function QB(t){let e=[],r=0;for(;r<t.length;){let n=t[r];if(/\s/.test(n)){r++;continue}if(n==="+"||n==="-"||n==="("||n===")"||n==="%"){e.push({type:"symbol",value:n}),r++;continue}if(Ev(n)||n==="."){let i=r,s=n===".";for(r++;r<t.length;){let a=t[r];if(Ev(a)){r++;continue}if(a==="."&&!s){s=!0,r++;continue}break}let o=t.slice(i,r);if(!KB.test(o))throw new Error("Invalid number token");e.push({type:"number",value:parseFloat(o)});continue}if(Sv(n)){let i=r;for(;r<t.length&&Sv(t[r]);)r++;let s=t.slice(i,r).toLowerCase();e.push({type:"word",value:s});continue}throw new Error("Invalid token in position string")}return e}var Kp=class{constructor(e){this.index=0,this.tokens=e}parseExpression(){let e=this.parseBinaryExpression();if(this.index<this.tokens.length)throw new Error("Unexpected token at end of expression");return e}parseBinaryExpression(){let e=this.parseFactor(),r=this.peek();for(;JB(r);){this.index++;let n=this.parseFactor();e={type:"binary",operator:r.value,left:e,right:n},r=this.peek()}return e}parseFactor(){let e=this.peek();if(!e)throw new Error("Unexpected end of expression");if(e.type==="symbol"&&e.value==="+")return this.index++,this.parseFactor();if(e.type==="symbol"&&e.value==="-"){this.index++;let r=this.parseFactor();return{type:"binary",operator:"-",left:{type:"literal",value:0},right:r}}if(e.type==="symbol"&&e.value==="("){this.index++;let r=this.parseBinaryExpression();if(!this.consumeSymbol(")"))throw new Error("Missing closing parenthesis");return r}if(e.type==="word"&&e.value==="calc"){if(this.index++,!this.consumeSymbol("("))throw new Error("Missing opening parenthesis after calc");let r=this.parseBinaryExpression();if(!this.consumeSymbol(")"))throw new Error("Missing closing parenthesis");return r}if(e.type==="number"){this.index++;let r=e.value,n=this.peek();return n&&n.type==="symbol"&&n.value==="%"?(this.index++,{type:"percentage",value:r/100}):n&&n.type==="word"&&n.value==="px"?(this.index++,{type:"literal",value:r}):{type:"literal",value:r}}throw new Error("Unexpected token in expression")}consumeSymbol(e){let r=this.peek();return r&&r.type==="symbol"&&r.value===e?(this.index++,!0):!1}peek(){return this.tokens[this.index]||null}};function Ev(t){return t>="0"&&t<="9"}function Sv(t){return t>="a"&&t<="z"||t>="A"&&t<="Z"}function JB(t){return!!(t&&t.type==="symbol"&&(t.value==="+"||t.value==="-"))}function Pv(t,e){let r={...t};for(let n in e)n!=="id"&&(Array.isArray(r[n])&&Array.isArray(e[n])?r[n]=e4(r[n],e[n]):r[n]=e[n]);return r}function e4(t,e){t=t.slice();for(let r=0;r<e.length;r++){let n=e[r];Number.isFinite(n)&&(t[r]=n)}return t}var Dn=class{constructor(e){let{id:r,x:n=0,y:i=0,width:s="100%",height:o="100%",padding:a=null}=e;this.id=r||this.constructor.displayName||"view",this.props={...e,id:this.id},this._x=He(n),this._y=He(i),this._width=He(s),this._height=He(o),this._padding=a&&{left:He(a.left||0),right:He(a.right||0),top:He(a.top||0),bottom:He(a.bottom||0)},this.equals=this.equals.bind(this),Object.seal(this)}equals(e){return this===e?!0:this.constructor===e.constructor&&le(this.props,e.props,2)}clone(e){let r=this.constructor;return new r({...this.props,...e})}makeViewport({width:e,height:r,viewState:n}){n=this.filterViewState(n);let i=this.getDimensions({width:e,height:r});if(!i.height||!i.width)return null;let s=this.getViewportType(n);return new s({...n,...this.props,...i})}getViewStateId(){let{viewState:e}=this.props;return typeof e=="string"?e:e?.id||this.id}filterViewState(e){return this.props.viewState&&typeof this.props.viewState=="object"?this.props.viewState.id?Pv(e,this.props.viewState):this.props.viewState:e}getDimensions({width:e,height:r}){let n={x:Ye(this._x,e),y:Ye(this._y,r),width:Ye(this._width,e),height:Ye(this._height,r)};return this._padding&&(n.padding={left:Ye(this._padding.left,e),top:Ye(this._padding.top,r),right:Ye(this._padding.right,e),bottom:Ye(this._padding.bottom,r)}),n}get controller(){let e=this.props.controller;return e?e===!0?{type:this.ControllerType}:typeof e=="function"?{type:e}:{type:this.ControllerType,...e}:null}};_e();var Pt=class{constructor(e){this._inProgress=!1,this._handle=null,this.time=0,this.settings={duration:0},this._timeline=e}get inProgress(){return this._inProgress}start(e){this.cancel(),this.settings=e,this._inProgress=!0,this.settings.onStart?.(this)}end(){this._inProgress&&(this._timeline.removeChannel(this._handle),this._handle=null,this._inProgress=!1,this.settings.onEnd?.(this))}cancel(){this._inProgress&&(this.settings.onInterrupt?.(this),this._timeline.removeChannel(this._handle),this._handle=null,this._inProgress=!1)}update(){if(!this._inProgress)return!1;if(this._handle===null){let{_timeline:e,settings:r}=this;this._handle=e.addChannel({delay:e.getTime(),duration:r.duration})}return this.time=this._timeline.getTime(this._handle),this._onUpdate(),this.settings.onUpdate?.(this),this._timeline.isFinished(this._handle)&&this.end(),!0}_onUpdate(){}};var Tv=()=>{},Av={mode:"preserve"},t4={mode:"hard"},Qp={BREAK:1,SNAP_TO_END:2,IGNORE:3},r4=t=>t,n4=Qp.BREAK,$o=class{constructor(e){this._onTransitionUpdate=r=>{let{time:n,settings:{interpolator:i,startProps:s,endProps:o,duration:a,easing:c}}=r,l=c(n/a),f=i.interpolateProps(s,o,l);this.propsInTransition=this.getControllerState({...this.props,...f},Av).getViewportProps(),this.onViewStateChange({viewState:this.propsInTransition,oldViewState:this.props})},this.getControllerState=e.getControllerState,this.propsInTransition=null,this.transition=new Pt(e.timeline),this.onViewStateChange=e.onViewStateChange||Tv,this.onStateChange=e.onStateChange||Tv}finalize(){this.transition.cancel()}getViewportInTransition(){return this.propsInTransition}processViewStateChange(e){let r=!1,n=this.props;if(this.props=e,!n||this._shouldIgnoreViewportChange(n,e))return!1;if(this._isTransitionEnabled(e)){let i=n;if(this.transition.inProgress){let{interruption:s,endProps:o}=this.transition.settings;i={...n,...s===Qp.SNAP_TO_END?o:this.propsInTransition||n}}this._triggerTransition(i,e),r=!0}else this.transition.cancel();return r}updateTransition(){this.transition.update()}_isTransitionEnabled(e){let{transitionDuration:r,transitionInterpolator:n}=e;return(r>0||r==="auto")&&!!n}_isUpdateDueToCurrentTransition(e){return this.transition.inProgress&&this.propsInTransition?this.transition.settings.interpolator.arePropsEqual(e,this.propsInTransition):!1}_shouldIgnoreViewportChange(e,r){return this.transition.inProgress?this.transition.settings.interruption===Qp.IGNORE||this._isUpdateDueToCurrentTransition(r):this._isTransitionEnabled(r)?r.transitionInterpolator.arePropsEqual(e,r):!0}_triggerTransition(e,r){let n=this.getControllerState(e,Av),i=this.getControllerState(r,t4).shortestPathFrom(n),s=r.transitionInterpolator,o=s.getDuration?s.getDuration(e,r):r.transitionDuration;if(o===0)return;let a=s.initializeProps(e,i);this.propsInTransition={};let c={duration:o,easing:r.transitionEasing||r4,interpolator:s,interruption:r.transitionInterruption||n4,startProps:a.start,endProps:a.end,onStart:r.onTransitionStart,onUpdate:this._onTransitionUpdate,onInterrupt:this._onTransitionEnd(r.onTransitionInterrupt),onEnd:this._onTransitionEnd(r.onTransitionEnd)};this.transition.start(c),this.onStateChange({inTransition:!0}),this.updateTransition()}_onTransitionEnd(e){return r=>{this.propsInTransition=null,this.onStateChange({inTransition:!1,isZooming:!1,isPanning:!1,isRotating:!1}),e?.(r)}}};_e();function X(t,e){if(!t)throw new Error(e||"deck.gl: assertion failed.")}var Go=class{constructor(e){let{compare:r,extract:n,required:i}=e;this._propsToCompare=r,this._propsToExtract=n||r,this._requiredProps=i}arePropsEqual(e,r){for(let n of this._propsToCompare)if(!(n in e)||!(n in r)||!Ut(e[n],r[n]))return!1;return!0}initializeProps(e,r){let n={},i={};for(let s of this._propsToExtract)(s in e||s in r)&&(n[s]=e[s],i[s]=r[s]);return this._checkRequiredProps(n),this._checkRequiredProps(i),{start:n,end:i}}getDuration(e,r){return r.transitionDuration}_checkRequiredProps(e){this._requiredProps&&this._requiredProps.forEach(r=>{let n=e[r];X(Number.isFinite(n)||Array.isArray(n),`${r} is required for transition`)})}};_e();var i4=["longitude","latitude","zoom","bearing","pitch"],s4=["longitude","latitude","zoom"],hr=class extends Go{constructor(e={}){let r=Array.isArray(e)?e:e.transitionProps,n=Array.isArray(e)?{}:e;n.transitionProps=Array.isArray(r)?{compare:r,required:r}:r||{compare:i4,required:s4},super(n.transitionProps),this.opts=n}initializeProps(e,r){let n=super.initializeProps(e,r),{makeViewport:i,around:s}=this.opts;if(i&&s){let o=i(e),a=i(r),c=o.unproject(s);n.start.around=s,Object.assign(n.end,{around:a.project(c),aroundPosition:c,width:r.width,height:r.height})}return n}interpolateProps(e,r,n){let i={};for(let s of this._propsToExtract)i[s]=vn(e[s]||0,r[s]||0,n);if(r.aroundPosition&&this.opts.makeViewport){let s=this.opts.makeViewport({...r,...i});Object.assign(i,s.panByPosition(r.aroundPosition,vn(e.around,r.around,n)))}return i}};var Kt={transitionDuration:0},o4=300,a4=300,Jp=t=>1-(1-t)*(1-t),c4=t=>t===1?1:1-Math.pow(2,-10*t),Nn={WHEEL:["wheel"],PAN:["panstart","panmove","panend"],PINCH:["pinchstart","pinchmove","pinchend"],MULTI_PAN:["multipanstart","multipanmove","multipanend"],DOUBLE_CLICK:["dblclick"],DOUBLE_CLICK_DRAG:["dblclickdragstart","dblclickdragmove","dblclickdragend","dblclickdragcancel"],KEYBOARD:["keydown"]},Fn={},zn=class{constructor(e){this.state={},this._events={},this._interactionState={isDragging:!1},this._customEvents=[],this._eventStartBlocked=null,this._panMove=!1,this._multiPanMode=null,this._multiPanStartCenter=null,this._doubleClickDragAnchor=null,this._suppressDoubleClickUntil=0,this.invertPan=!1,this.dragMode="rotate",this.inertia=0,this.scrollZoom=!0,this.dragPan=!0,this.dragRotate=!0,this.doubleClickZoom=!0,this.doubleClickDragZoom=!0,this.touchZoom=!0,this.touchRotate=!1,this.multiTouchDrag=null,this.trackpadGesture=!1,this.zoomAround="pointer",this.keyboard=!0,this.transitionManager=new $o({...e,getControllerState:(r,n)=>new this.ControllerState({...r,constraintContext:n,makeViewport:e.makeViewport}),onViewStateChange:this._onTransition.bind(this),onStateChange:this._setInteractionState.bind(this)}),this.handleEvent=this.handleEvent.bind(this),this.eventManager=e.eventManager,this.onViewStateChange=e.onViewStateChange||(()=>{}),this.onStateChange=e.onStateChange||(()=>{}),this.makeViewport=e.makeViewport,this.pickPosition=e.pickPosition}set events(e){this.toggleEvents(this._customEvents,!1),this.toggleEvents(e,!0),this._customEvents=e,this.props&&this.setProps(this.props)}finalize(){for(let e in this._events)this._events[e]&&this.eventManager?.off(e,this.handleEvent);this.transitionManager.finalize()}handleEvent(e){this._controllerState=void 0;let r=this._eventStartBlocked;switch(e.type){case"panstart":return r?!1:this._onPanStart(e);case"panmove":return this._onPan(e);case"panend":return this._onPanEnd(e);case"pinchstart":return r||!this._isTrackpadGestureAllowed(e)?!1:this._onPinchStart(e);case"pinchmove":return this._isTrackpadGestureAllowed(e)?this._onPinch(e):!1;case"pinchend":return this._isTrackpadGestureAllowed(e)?this._onPinchEnd(e):!1;case"multipanstart":return r?!1:this._onMultiPanStart(e);case"multipanmove":return this._onMultiPan(e);case"multipanend":return this._onMultiPanEnd(e);case"dblclick":return this._onDoubleClick(e);case"dblclickdragstart":return r?!1:this._onDoubleClickDragStart(e);case"dblclickdragmove":return this._onDoubleClickDrag(e);case"dblclickdragend":case"dblclickdragcancel":return this._onDoubleClickDragEnd(e);case"wheel":return this._onWheel(e);case"keydown":return this._onKeyDown(e);default:return!1}}get controllerState(){return this._controllerState=this._controllerState||new this.ControllerState({makeViewport:this.makeViewport,...this.props,...this.state}),this._controllerState}getCenter(e){let{x:r,y:n}=this.props,{offsetCenter:i}=e;return[i.x-r,i.y-n]}getZoomPosition(e){if(this.zoomAround==="pointer")return e;let r=this.makeViewport(this.controllerState.getViewportProps()),[n,i]=Dr(r.center,r.pixelProjectionMatrix);return[n,i]}isPointInBounds(e,r){let{width:n,height:i}=this.props;if(r&&r.handled)return!1;let s=e[0]>=0&&e[0]<=n&&e[1]>=0&&e[1]<=i;return s&&r&&r.stopPropagation(),s}isFunctionKeyPressed(e){let{srcEvent:r}=e;return!!(r.metaKey||r.altKey||r.ctrlKey||r.shiftKey)}isDragging(){return this._interactionState.isDragging||!1}blockEvents(e){let r=setTimeout(()=>{this._eventStartBlocked===r&&(this._eventStartBlocked=null)},e);this._eventStartBlocked=r}setProps(e){e.maxBoundsPadding===void 0&&(e.maxBoundsPadding=null),e.dragMode&&(this.dragMode=e.dragMode);let r=this.props;this.props=e,"transitionInterpolator"in e||(e.transitionInterpolator=this._getTransitionProps().transitionInterpolator),this.transitionManager.processViewStateChange(e);let{inertia:n}=e;this.inertia=Number.isFinite(n)?n:n===!0?o4:0;let{scrollZoom:i=!0,dragPan:s=!0,dragRotate:o=!0,doubleClickZoom:a=!0,doubleClickDragZoom:c=!1,touchZoom:l=!0,touchRotate:f=!1,multiTouchDrag:u=f?"rotate":null,trackpadGesture:d=!1,zoomAround:h="pointer",keyboard:p=!0}=e,m=!!this.onViewStateChange;if(this.toggleEvents(Nn.WHEEL,m&&i),this.toggleEvents(Nn.PAN,m),this.toggleEvents(Nn.PINCH,m&&(l||u==="rotate")),this.toggleEvents(Nn.MULTI_PAN,m&&!!u),this.toggleEvents(Nn.DOUBLE_CLICK,m&&a),this.toggleEvents(Nn.DOUBLE_CLICK_DRAG,m&&c),this.toggleEvents(Nn.KEYBOARD,m&&p),this.scrollZoom=i,this.dragPan=s,this.dragRotate=o,this.doubleClickZoom=a,this.doubleClickDragZoom=c,this.touchZoom=l,this.touchRotate=u==="rotate",this.multiTouchDrag=u,this.trackpadGesture=d,this.zoomAround=h,this.keyboard=p,(!r||r.height!==e.height||r.width!==e.width||r.maxBounds!==e.maxBounds||r.maxBoundsPadding!==e.maxBoundsPadding)&&e.maxBounds){let y=new this.ControllerState({...e,makeViewport:this.makeViewport}),_=y.getViewportProps();Object.keys(_).some(w=>!le(_[w],e[w],1))&&this.updateViewport(y)}}updateTransition(){this.transitionManager.updateTransition()}toggleEvents(e,r){this.eventManager&&e.forEach(n=>{this._events[n]!==r&&(this._events[n]=r,r?this.eventManager.on(n,this.handleEvent):this.eventManager.off(n,this.handleEvent))})}updateViewport(e,r=null,n={}){let i={...e.getViewportProps(),...r},s=this.controllerState!==e;if(this.state=e.getState(),this._setInteractionState(n),s){let o=this.controllerState&&this.controllerState.getViewportProps();this.onViewStateChange&&this.onViewStateChange({viewState:i,interactionState:this._interactionState,oldViewState:o,viewId:this.props.id})}}_onTransition(e){this.onViewStateChange({...e,interactionState:this._interactionState,viewId:this.props.id})}_setInteractionState(e){Object.assign(this._interactionState,e),this.onStateChange(this._interactionState)}_getConstraintContext(e,r){return this.props.rubberBand?{mode:r==="update"?"elastic":r==="end"?"rebound":"hard"}:{mode:"hard"}}_getReboundTransition(e,r){if(e.mode!=="rebound")return null;let n=r.getViewportProps();return Object.keys(n).some(s=>!le(this.props[s],n[s],1))?{...this._getTransitionProps(),transitionDuration:a4,transitionEasing:c4}:null}_onPanStart(e){let r=this.getCenter(e);if(!this.isPointInBounds(r,e))return!1;let n=this.isFunctionKeyPressed(e)||e.rightButton||!1;(this.invertPan||this.dragMode==="pan")&&(n=!n);let i=n?"pan":"rotate",s=this._getConstraintContext(i,"start"),o=n?this.controllerState.panStart({pos:r},s):this.controllerState.rotateStart({pos:r},s);return this._panMove=n,this.updateViewport(o,Kt,{isDragging:!0}),!0}_onPan(e){return this.isDragging()?this._panMove?this._onPanMove(e):this._onPanRotate(e):!1}_onPanEnd(e){return this.isDragging()?this._panMove?this._onPanMoveEnd(e):this._onPanRotateEnd(e):!1}_onPanMove(e){if(!this.dragPan)return!1;let r=this.getCenter(e),n=this.controllerState.pan({pos:r},this._getConstraintContext("pan","update"));return this.updateViewport(n,Kt,{isDragging:!0,isPanning:!0}),!0}_onPanMoveEnd(e){let{inertia:r}=this;if(this.dragPan&&r&&e.velocity){let n=this.getCenter(e),i=[n[0]+e.velocityX*r/2,n[1]+e.velocityY*r/2],s=this.controllerState.pan({pos:i}).panEnd();this.updateViewport(s,{...this._getTransitionProps(),transitionDuration:r,transitionEasing:Jp},{isDragging:!1,isPanning:!0})}else{let n=this.controllerState,i=this._getConstraintContext("pan","end"),s=n.panEnd(i),o=this._getReboundTransition(i,s);this.updateViewport(s,o,{isDragging:!1,isPanning:!!o})}return!0}_onPanRotate(e){if(!this.dragRotate)return!1;let r=this.getCenter(e),n=this.controllerState.rotate({pos:r},this._getConstraintContext("rotate","update"));return this.updateViewport(n,Kt,{isDragging:!0,isRotating:!0}),!0}_onPanRotateEnd(e){let{inertia:r}=this;if(this.dragRotate&&r&&e.velocity){let n=this.getCenter(e),i=[n[0]+e.velocityX*r/2,n[1]+e.velocityY*r/2],s=this.controllerState.rotate({pos:i}).rotateEnd();this.updateViewport(s,{...this._getTransitionProps(),transitionDuration:r,transitionEasing:Jp},{isDragging:!1,isRotating:!0})}else{let n=this.controllerState,i=this._getConstraintContext("rotate","end"),s=n.rotateEnd(i),o=this._getReboundTransition(i,s);this.updateViewport(s,o,{isDragging:!1,isRotating:!!o})}return!0}_onWheel(e){if(!this.scrollZoom||this.trackpadGesture&&e.device!=="mouse")return!1;let r=this.getCenter(e);if(!this.isPointInBounds(r,e))return!1;e.srcEvent.preventDefault();let{speed:n=.01,smooth:i=!1}=this.scrollZoom===!0?{}:this.scrollZoom,{delta:s}=e,o=2/(1+Math.exp(-Math.abs(s*n)));s<0&&o!==0&&(o=1/o);let a=this.getZoomPosition(r),c=i?{...this._getTransitionProps({around:a}),transitionDuration:250}:Kt,l=this.controllerState.zoom({pos:a,scale:o});return this.updateViewport(l,c,{isZooming:!0,isPanning:!0}),i||this._setInteractionState({isZooming:!1,isPanning:!1}),!0}_onMultiPanStart(e){let{multiTouchDrag:r}=this;if(!r||!this._isMultiPanEventAllowed(e,r))return!1;let n=e.offsetCenter;if(!this.isPointInBounds(this.getCenter(e),e))return!1;let i=e.pointerType==="trackpad",s={x:n.x-(i?0:e.deltaX),y:n.y-(i?0:e.deltaY)},o={...e,offsetCenter:s},a=this.getCenter(o),c=r==="pan"?this.controllerState.panStart({pos:a},this._getConstraintContext("pan","start")):this.controllerState.rotateStart({pos:a},this._getConstraintContext("rotate","start"));return this._multiPanMode=r,this._multiPanStartCenter=s,this.updateViewport(c,Kt,{isDragging:!0}),!0}_onMultiPan(e){let{mode:r,event:n}=this._getMultiPanEvent(e);return!r||!n||!this.isDragging()?!1:r==="pan"?this._onPanMove(n):this._onPanRotate(n)}_onMultiPanEnd(e){let{mode:r,event:n}=this._getMultiPanEvent(e);if(!r||!n||!this.isDragging())return this._resetMultiPan(),!1;let i=r==="pan"?this._onPanMoveEnd(n):this._onPanRotateEnd(n);return this._resetMultiPan(),i}_isTrackpadGestureAllowed(e){return e.pointerType!=="trackpad"||this.trackpadGesture}_isMultiPanEventAllowed(e,r){return e.pointerType==="trackpad"?this.trackpadGesture&&(r==="pan"?this.dragPan:this.dragRotate):e.pointerType==="touch"&&(r==="pan"?this.dragPan:this.dragRotate)}_getMultiPanEvent(e){let r=this._multiPanMode,n=this._multiPanStartCenter;return!r||!n?{mode:null,event:null}:{mode:r,event:{...e,offsetCenter:{x:n.x+e.deltaX,y:n.y+e.deltaY}}}}_resetMultiPan(){this._multiPanMode=null,this._multiPanStartCenter=null}_onPinchStart(e){this._doubleClickDragAnchor=null;let r=this.getCenter(e);if(!this.isPointInBounds(r,e))return!1;let n=this.controllerState.zoomStart({pos:this.getZoomPosition(r)},this._getConstraintContext("zoom","start")).rotateStart({pos:r},this._getConstraintContext("rotate","start"));return Fn._startPinchRotation=e.rotation,Fn._lastPinchEvent=e,this.updateViewport(n,Kt,{isDragging:!0}),!0}_onPinch(e){if(!this.touchZoom&&!this.touchRotate||!this.isDragging())return!1;let r=this.controllerState;if(this.touchZoom){let{scale:n}=e,i=this.getCenter(e);r=r.zoom({pos:this.getZoomPosition(i),scale:n},this._getConstraintContext("zoom","update"))}if(this.touchRotate){let{rotation:n}=e;r=r.rotate({deltaAngleX:Fn._startPinchRotation-n},this._getConstraintContext("rotate","update"))}return this.updateViewport(r,Kt,{isDragging:!0,isPanning:this.touchZoom,isZooming:this.touchZoom,isRotating:this.touchRotate}),Fn._lastPinchEvent=e,!0}_onPinchEnd(e){if(!this.isDragging())return!1;let{inertia:r}=this,{_lastPinchEvent:n}=Fn;if(this.touchZoom&&r&&n&&e.scale!==n.scale){let i=this.getCenter(e),s=this.getZoomPosition(i),o=this.controllerState.rotateEnd(),a=Math.log2(e.scale),c=(a-Math.log2(n.scale))/(e.deltaTime-n.deltaTime),l=Math.pow(2,a+c*r/2);o=o.zoom({pos:s,scale:l}).zoomEnd(),this.updateViewport(o,{...this._getTransitionProps({around:s}),transitionDuration:r,transitionEasing:Jp},{isDragging:!1,isPanning:this.touchZoom,isZooming:this.touchZoom,isRotating:!1}),this.blockEvents(r)}else{let i=this.controllerState,s=this._getConstraintContext("zoom","end"),o=this._getConstraintContext("rotate","end"),a=i.zoomEnd(s).rotateEnd(o),c=this._getReboundTransition(this.touchZoom?s:o,a);this.updateViewport(a,c,{isDragging:!1,isPanning:!!c&&this.touchZoom,isZooming:!!c&&this.touchZoom,isRotating:!!c&&this.touchRotate})}return Fn._startPinchRotation=null,Fn._lastPinchEvent=null,!0}_onDoubleClick(e){if(!this.doubleClickZoom||Date.now()<this._suppressDoubleClickUntil)return!1;let r=this.getCenter(e);if(!this.isPointInBounds(r,e))return!1;let n=this.isFunctionKeyPressed(e),i=this.getZoomPosition(r),s=this.controllerState.zoom({pos:i,scale:n?.5:2});return this.updateViewport(s,this._getTransitionProps({around:i}),{isZooming:!0,isPanning:!0}),this.blockEvents(100),!0}_onDoubleClickDragStart(e){if(!this.doubleClickDragZoom)return this._doubleClickDragAnchor=null,!1;let r=this.getCenter(e);if(!this.isPointInBounds(r,e))return this._doubleClickDragAnchor=null,!1;this._doubleClickDragAnchor=this.getZoomPosition(r);let n=this.controllerState.zoomStart({pos:this._doubleClickDragAnchor},this._getConstraintContext("zoom","start"));return e.scale!==1&&(n=n.zoom({pos:this._doubleClickDragAnchor,scale:e.scale},this._getConstraintContext("zoom","update"))),this.updateViewport(n,Kt,{isDragging:!0,isPanning:!0,isZooming:!0}),!0}_onDoubleClickDrag(e){let r=this._doubleClickDragAnchor;if(!r)return!1;let n=this.controllerState.zoom({pos:r,scale:e.scale},this._getConstraintContext("zoom","update"));return this.updateViewport(n,Kt,{isDragging:!0,isPanning:!0,isZooming:!0}),!0}_onDoubleClickDragEnd(e){if(!this._doubleClickDragAnchor)return!1;this._doubleClickDragAnchor=null;let n=this.controllerState,i=this._getConstraintContext("zoom","end"),s=n.zoomEnd(i),o=this._getReboundTransition(i,s);return this.updateViewport(s,o,{isDragging:!1,isPanning:!!o,isZooming:!!o}),this._suppressDoubleClickUntil=Date.now()+100,this.blockEvents(100),!0}_onKeyDown(e){if(!this.keyboard)return!1;let r=this.isFunctionKeyPressed(e),{zoomSpeed:n,moveSpeed:i,rotateSpeedX:s,rotateSpeedY:o}=this.keyboard===!0?{}:this.keyboard,{controllerState:a}=this,c,l={};switch(e.srcEvent.code){case"Minus":c=r?a.zoomOut(n).zoomOut(n):a.zoomOut(n),l.isZooming=!0;break;case"Equal":c=r?a.zoomIn(n).zoomIn(n):a.zoomIn(n),l.isZooming=!0;break;case"ArrowLeft":r?(c=a.rotateLeft(s),l.isRotating=!0):(c=a.moveLeft(i),l.isPanning=!0);break;case"ArrowRight":r?(c=a.rotateRight(s),l.isRotating=!0):(c=a.moveRight(i),l.isPanning=!0);break;case"ArrowUp":r?(c=a.rotateUp(o),l.isRotating=!0):(c=a.moveUp(i),l.isPanning=!0);break;case"ArrowDown":r?(c=a.rotateDown(o),l.isRotating=!0):(c=a.moveDown(i),l.isPanning=!0);break;default:return!1}return this.updateViewport(c,this._getTransitionProps(),l),!0}_getTransitionProps(e){let{transition:r}=this;return!r||!r.transitionInterpolator?Kt:e?{...r,transitionInterpolator:new hr({...e,...r.transitionInterpolator.opts,makeViewport:this.controllerState.makeViewport})}:r}};var mt=Symbol("constraintAround"),Un=class{constructor(e,r,n,i){this.makeViewport=n,this._viewportProps=this.applyConstraints(e,i),this._state=r}getViewportProps(){return this._viewportProps}getState(){return this._state}};function zr(t,e,r){let n=t-e;return n&&Number.isFinite(n)?e+n*r/(r+Math.abs(n)):e}function Yi(t,e,r){let n=Ye(He(r?.left??0),t),i=Ye(He(r?.right??0),t),s=Ye(He(r?.top??0),e),o=Ye(He(r?.bottom??0),e);return{x:n,y:s,width:t-n-i,height:e-s-o}}function kl(t,e,r){let[n,i]=t.project(e);return n=Number.isFinite(n)?n:t.width/2,i=Number.isFinite(i)?i:t.height/2,{left:n-r.x,right:r.x+r.width-n,top:i-r.y,bottom:r.y+r.height-i}}var Lv=5,l4=1.2,Cv=512,Mv=[[-1/0,-90],[1/0,90]],f4=1;function Vo([t,e]){if(Math.abs(e)>90&&(e=Math.sign(e)*90),Number.isFinite(t)){let[n,i]=ht([t,e]);return[n,ie(i,0,Cv)]}let[,r]=ht([0,e]);return[t,ie(r,0,Cv)]}var em=class extends Un{constructor(e){let{width:r,height:n,latitude:i,longitude:s,zoom:o,bearing:a=0,pitch:c=0,altitude:l=1.5,position:f=[0,0,0],maxZoom:u=20,minZoom:d=0,maxPitch:h=60,minPitch:p=0,startPanLngLat:m,startZoomLngLat:g,startRotatePos:y,startRotateLngLat:_,startBearing:x,startPitch:w,startZoom:v,normalize:S=!0,rubberBand:A=!1}=e,{[mt]:L}=e;X(Number.isFinite(s)),X(Number.isFinite(i)),X(Number.isFinite(o));let C=e.maxBounds||(S?Mv:null),T=e.maxBoundsPadding||null;super({width:r,height:n,latitude:i,longitude:s,zoom:o,bearing:a,pitch:c,altitude:l,maxZoom:u,minZoom:d,maxPitch:h,minPitch:p,normalize:S,position:f,maxBounds:C,maxBoundsPadding:T,rubberBand:A,[mt]:L},{startPanLngLat:m,startZoomLngLat:g,startRotatePos:y,startRotateLngLat:_,startBearing:x,startPitch:w,startZoom:v},e.makeViewport,e.constraintContext),this.getAltitude=e.getAltitude}panStart({pos:e},r){return this._getUpdatedState({startPanLngLat:this._unproject(e)},r)}pan({pos:e,startPos:r},n){let i=this.getState().startPanLngLat||this._unproject(r);if(!i)return this;let o=this.makeViewport(this.getViewportProps()).panByPosition(i,e);return this._getUpdatedState(o,n)}panEnd(e){return this._getUpdatedState({startPanLngLat:null},e)}rotateStart({pos:e}){let r=this.getAltitude?.(e);return this._getUpdatedState({startRotatePos:e,startRotateLngLat:r!==void 0?this._unproject3D(e,r):void 0,startBearing:this.getViewportProps().bearing,startPitch:this.getViewportProps().pitch})}rotate({pos:e,deltaAngleX:r=0,deltaAngleY:n=0}){let{startRotatePos:i,startRotateLngLat:s,startBearing:o,startPitch:a}=this.getState();if(!i||o===void 0||a===void 0)return this;let c;if(e?c=this._getNewRotation(e,i,a,o):c={bearing:o+r,pitch:a+n},s){let l=this.makeViewport({...this.getViewportProps(),...c}),f="panByPosition3D"in l?"panByPosition3D":"panByPosition";return this._getUpdatedState({...c,...l[f](s,i)})}return this._getUpdatedState(c)}rotateEnd(){return this._getUpdatedState({startRotatePos:null,startRotateLngLat:null,startBearing:null,startPitch:null})}zoomStart({pos:e},r){return this._getUpdatedState({startZoomLngLat:this._unproject(e),startZoom:this.getViewportProps().zoom},r)}zoom({pos:e,startPos:r,scale:n},i){let{startZoom:s,startZoomLngLat:o}=this.getState();return o||(s=this.getViewportProps().zoom,o=this._unproject(r)||this._unproject(e)),o?this._getUpdatedState({zoom:s+Math.log2(n),[mt]:{position:o,screenPosition:e}},i):this}zoomEnd(e){return this._getUpdatedState({startZoomLngLat:null,startZoom:null},e)}zoomIn(e=2,r){return this._zoomFromCenter(e,r)}zoomOut(e=2,r){return this._zoomFromCenter(1/e,r)}moveLeft(e=100,r){return this._panFromCenter([e,0],r)}moveRight(e=100,r){return this._panFromCenter([-e,0],r)}moveUp(e=100,r){return this._panFromCenter([0,e],r)}moveDown(e=100,r){return this._panFromCenter([0,-e],r)}rotateLeft(e=15){return this._getUpdatedState({bearing:this.getViewportProps().bearing-e})}rotateRight(e=15){return this._getUpdatedState({bearing:this.getViewportProps().bearing+e})}rotateUp(e=10){return this._getUpdatedState({pitch:this.getViewportProps().pitch+e})}rotateDown(e=10){return this._getUpdatedState({pitch:this.getViewportProps().pitch-e})}shortestPathFrom(e){let r=e.getViewportProps(),n={...this.getViewportProps()},{bearing:i,longitude:s}=n;return Math.abs(i-r.bearing)>180&&(n.bearing=i<0?i+360:i-360),Math.abs(s-r.longitude)>180&&(n.longitude=s<0?s+360:s-360),n}applyConstraints(e,r){let n=e,i=n[mt];delete n[mt];let{maxPitch:s,minPitch:o,pitch:a,bearing:c,normalize:l,maxBounds:f,rubberBand:u}=e;l&&(c<-180||c>180)&&(e.bearing=Dp(c+180,360)-180),e.pitch=ie(a,o,s);let d=this._constrainZoom(e.zoom,e),h=u&&r?.mode==="elastic";if(e.zoom=r?.mode==="preserve"?e.zoom:h?zr(e.zoom,d,f4):d,i){let p=this.makeViewport(e);Object.assign(e,p.panByPosition(i.position,i.screenPosition))}if(l&&(e.longitude<-180||e.longitude>180)&&(e.longitude=Dp(e.longitude+180,360)-180),f){let p=Yi(e.width,e.height,e.maxBoundsPadding),m=this.makeViewport({...e,bearing:0,pitch:0}),g=kl(m,[e.longitude,e.latitude],p),y=Vo(f[0]),_=Vo(f[1]),x=2**e.zoom,w=[y[0]+g.left/x,y[1]+g.bottom/x],v=[_[0]-g.right/x,_[1]-g.top/x],S=Vo([e.longitude,e.latitude]),A=[ie(S[0],w[0],v[0]),ie(S[1],w[1],v[1])],L=S.slice();if(p.width>=0&&(L[0]=r?.mode==="preserve"?S[0]:h?zr(S[0],A[0],p.width/2/x):A[0]),p.height>=0&&(L[1]=r?.mode==="preserve"?S[1]:h?zr(S[1],A[1],p.height/2/x):A[1]),L[0]!==S[0]||L[1]!==S[1]){let[C,T]=et(L);L[0]!==S[0]&&(e.longitude=C),L[1]!==S[1]&&(e.latitude=T)}}return e}_constrainZoom(e,r){r||(r=this.getViewportProps());let{maxZoom:n,maxBounds:i}=r,s=i!==null&&r.width>0&&r.height>0,{minZoom:o}=r;if(s){let a=Yi(r.width,r.height,r.maxBoundsPadding),c=Vo(i[0]),l=Vo(i[1]),f=l[0]-c[0],u=l[1]-c[1];a.width>0&&Number.isFinite(f)&&f>0&&(o=Math.max(o,Math.log2(a.width/f))),a.height>0&&Number.isFinite(u)&&u>0&&(o=Math.max(o,Math.log2(a.height/u))),o>n&&(o=n)}return ie(e,o,n)}_zoomFromCenter(e,r){let{width:n,height:i}=this.getViewportProps();return this.zoom({pos:[n/2,i/2],scale:e},r)}_panFromCenter(e,r){let{width:n,height:i}=this.getViewportProps();return this.pan({startPos:[n/2,i/2],pos:[n/2+e[0],i/2+e[1]]},r)}_getUpdatedState(e,r){return new this.constructor({makeViewport:this.makeViewport,...this.getViewportProps(),...this.getState(),...e,constraintContext:r})}_unproject(e){let r=this.makeViewport(this.getViewportProps());return e&&r.unproject(e)}_unproject3D(e,r){return this.makeViewport(this.getViewportProps()).unproject(e,{targetZ:r})}_getNewRotation(e,r,n,i){let s=e[0]-r[0],o=e[1]-r[1],a=e[1],c=r[1],{width:l,height:f}=this.getViewportProps(),u=s/l,d=0;o>0?Math.abs(f-c)>Lv&&(d=o/(c-f)*l4):o<0&&c>Lv&&(d=1-a/c),d=ie(d,-1,1);let{minPitch:h,maxPitch:p}=this.getViewportProps(),m=i+180*u,g=n;return d>0?g=n+d*(p-n):d<0&&(g=n-d*(h-n)),{pitch:g,bearing:m}}},Wo=class extends zn{constructor(){super(...arguments),this.ControllerState=em,this.transition={transitionDuration:300,transitionInterpolator:new hr({transitionProps:{compare:["longitude","latitude","zoom","bearing","pitch","position"],required:["longitude","latitude","zoom"]}})},this.dragMode="pan",this.rotationPivot="center",this._getAltitude=e=>{if(this.rotationPivot==="2d")return 0;if(this.rotationPivot==="3d"&&this.pickPosition){let{x:r,y:n}=this.props,i=this.pickPosition(r+e[0],n+e[1]);if(i&&i.coordinate&&i.coordinate.length>=3)return i.coordinate[2]}}}setProps(e){"rotationPivot"in e&&(this.rotationPivot=e.rotationPivot||"center"),e.getAltitude=this._getAltitude,e.position=e.position||[0,0,0],e.maxBounds=e.maxBounds||(e.normalize===!1?null:Mv),super.setProps(e)}updateViewport(e,r=null,n={}){let i=e.getState();n.isDragging&&i.startRotateLngLat?n={...n,rotationPivotPosition:i.startRotateLngLat}:n.isDragging===!1&&(n={...n,rotationPivotPosition:void 0}),super.updateViewport(e,r,n)}};var Ol=class extends Dn{constructor(e={}){super(e)}getViewportType(){return Al}get ControllerType(){return Wo}};Ol.displayName="MapView";var Iv=Ol;var u4=new Bi;function d4(t,e){let r=t.order??1/0,n=e.order??1/0;return r-n}var jo=class{constructor(e){this._resolvedEffects=[],this._defaultEffects=[],this.effects=[],this._context=e,this._needsRedraw="Initial render",this._setEffects([])}addDefaultEffect(e){let r=this._defaultEffects;if(!r.find(n=>n.id===e.id)){let n=r.findIndex(i=>d4(i,e)>0);n<0?r.push(e):r.splice(n,0,e),e.setup(this._context),this._setEffects(this.effects)}}setProps(e){"effects"in e&&(le(e.effects,this.effects,1)||this._setEffects(e.effects))}needsRedraw(e={clearRedrawFlags:!1}){let r=this._needsRedraw;return e.clearRedrawFlags&&(this._needsRedraw=!1),r}getEffects(){return this._resolvedEffects}_setEffects(e){let r={};for(let i of this.effects)r[i.id]=i;let n=[];for(let i of e){let s=r[i.id],o=i;s&&s!==i?s.setProps?(s.setProps(i.props),o=s):s.cleanup(this._context):s||i.setup(this._context),n.push(o),delete r[i.id]}for(let i in r)r[i].cleanup(this._context);this.effects=n,this._resolvedEffects=n.concat(this._defaultEffects),e.some(i=>i instanceof Bi)||this._resolvedEffects.push(u4),this._needsRedraw="effects changed"}finalize(){for(let e of this._resolvedEffects)e.cleanup(this._context);this.effects.length=0,this._resolvedEffects.length=0,this._defaultEffects.length=0}};var Ho=class extends fr{shouldDrawLayer(e){let{operation:r}=e.props;return r.includes("draw")||r.includes("terrain")}render(e){return this._render(e)}};var h4="deckRenderer.renderLayers",Yo=class{constructor(e,r={}){this.device=e,this.stats=r.stats,this.layerFilter=null,this.drawPickingColors=!1,this.drawLayersPass=new Ho(e),this.pickLayersPass=new Bn(e),this.renderCount=0,this._needsRedraw="Initial render",this.renderBuffers=[],this.lastPostProcessEffect=null}setProps(e){this.layerFilter!==e.layerFilter&&(this.layerFilter=e.layerFilter,this._needsRedraw="layerFilter changed"),this.drawPickingColors!==e.drawPickingColors&&(this.drawPickingColors=e.drawPickingColors,this._needsRedraw="drawPickingColors changed")}renderLayers(e){let r=this.drawPickingColors?this.pickLayersPass:this.drawLayersPass,n={layerFilter:this.layerFilter,isPicking:this.drawPickingColors,...e};if(!e.viewports.length){let a=r.render(n),c="stats"in a?a.stats:a;this._updateStats(c);return}n.effects&&this._preRender(n.effects,n);let i=this.lastPostProcessEffect?this.renderBuffers[0]:n.target;this.lastPostProcessEffect&&(n.clearColor=[0,0,0,0],n.clearCanvas=!0);let s=r.render({...n,target:i}),o="stats"in s?s.stats:s;n.effects&&(this.lastPostProcessEffect&&(n.clearCanvas=e.clearCanvas===void 0?!0:e.clearCanvas),this._postRender(n.effects,n)),this.renderCount++,ce(h4,this,o,e),this._updateStats(o)}needsRedraw(e={clearRedrawFlags:!1}){let r=this._needsRedraw;return e.clearRedrawFlags&&(this._needsRedraw=!1),r}finalize(){let{renderBuffers:e}=this;for(let r of e)r.delete();e.length=0}_updateStats(e){if(!this.stats)return;let r=0;for(let{visibleCount:n}of e)r+=n;this.stats.get("Layers rendered").addCount(r)}_preRender(e,r){this.lastPostProcessEffect=null,r.preRenderStats=r.preRenderStats||{};for(let n of e)r.preRenderStats[n.id]=n.preRender(r),n.postRender&&(this.lastPostProcessEffect=n.id);this.lastPostProcessEffect&&this._resizeRenderBuffers(r.canvasContext)}_resizeRenderBuffers(e=this.device.canvasContext){let{renderBuffers:r}=this,n=e.getDrawingBufferSize(),[i,s]=n;r.length===0&&[0,1].map(o=>{let a=this.device.createTexture({sampler:{minFilter:"linear",magFilter:"linear"},width:i,height:s});r.push(this.device.createFramebuffer({id:`deck-renderbuffer-${o}`,colorAttachments:[a]}))});for(let o of r)o.resize(n)}_postRender(e,r){let{renderBuffers:n}=this,i=r.target??r.canvasContext?.getCurrentFramebuffer()??r.target,s={...r,inputBuffer:n[0],swapBuffer:n[1]};for(let o of e)if(o.postRender){s.target=o.id===this.lastPostProcessEffect?i:void 0;let a=o.postRender(s);s.inputBuffer=a,s.swapBuffer=a===n[0]?n[1]:n[0]}}};N();var p4={pickedColor:null,pickedObjectIndex:-1};function tm({pickedColors:t,decodePickingColor:e,deviceX:r,deviceY:n,deviceRadius:i,deviceRect:s}){let{x:o,y:a,width:c,height:l}=s,f=i*i,u=-1,d=0;for(let h=0;h<l;h++){let p=h+a-n,m=p*p;if(m>f)d+=4*c;else for(let g=0;g<c;g++){if(t[d+3]-1>=0){let _=g+o-r,x=_*_+m;x<=f&&(f=x,u=d)}d+=4}}if(u>=0){let h=t.slice(u,u+4),p=e(h);if(p){let m=Math.floor(u/4/c),g=u/4-m*c;return{...p,pickedColor:h,pickedX:o+g,pickedY:a+m}}D.error("Picked non-existent layer. Is picking buffer corrupt?")()}return p4}function rm({pickedColors:t,decodePickingColor:e}){let r=new Map;if(t){for(let n=0;n<t.length;n+=4)if(t[n+3]-1>=0){let s=t.slice(n,n+4),o=s.join(",");if(!r.has(o)){let a=e(s);a?r.set(o,{...a,color:s}):D.error("Picked non-existent layer. Is picking buffer corrupt?")()}}}return Array.from(r.values())}function Bl({pickInfo:t,viewports:e,pixelRatio:r,x:n,y:i,z:s}){let o=e[0];e.length>1&&(o=m4(t?.pickedViewports||e,{x:n,y:i}));let a;if(o){let c=[n-o.x,i-o.y];s!==void 0&&(c[2]=s),a=o.unproject(c)}return{color:null,layer:null,viewport:o,index:-1,picked:!1,x:n,y:i,pixel:[n,i],coordinate:a,devicePixel:t&&"pickedX"in t?[t.pickedX,t.pickedY]:void 0,pixelRatio:r}}function nm(t){let{pickInfo:e,lastPickedInfo:r,mode:n,layers:i}=t,{pickedColor:s,pickedLayer:o,pickedObjectIndex:a}=e,c=o?[o]:[];if(n==="hover"){let u=r.index,d=r.layerId,h=o?o.props.id:null;if(h!==d||a!==u){if(h!==d){let p=i.find(m=>m.props.id===d);p&&c.unshift(p)}r.layerId=h,r.index=a,r.info=null}}let l=Bl(t),f=new Map;return f.set(null,l),c.forEach(u=>{let d={...l};u===o&&(d.color=s,d.index=a,d.picked=!0),d=Dl({layer:u,info:d,mode:n});let h=d.layer;u===o&&n==="hover"&&(r.info=d),f.set(h.id,d),n==="hover"&&h.updateAutoHighlight(d)}),f}function Dl({layer:t,info:e,mode:r}){for(;t&&e;){let n=e.layer||null;e.sourceLayer=n,e.layer=t,e=t.getPickingInfo({info:e,mode:r,sourceLayer:n}),t=t.parent}return e}function m4(t,e){for(let r=t.length-1;r>=0;r--){let n=t[r];if(n.containsPixel(e))return n}return t[0]}var qo=class{constructor(e,r={}){this._pickable=!0,this.device=e,this.stats=r.stats,this.pickLayersPass=new Bn(e),this.lastPickedInfo={index:-1,layerId:null,info:null}}setProps(e){"layerFilter"in e&&(this.layerFilter=e.layerFilter),"_pickable"in e&&(this._pickable=e._pickable)}finalize(){this.pickingFBO&&this.pickingFBO.destroy(),this.depthFBO&&this.depthFBO.destroy()}pickObjectAsync(e){return this._pickClosestObjectAsync(e)}pickObjectsAsync(e){return this._pickVisibleObjectsAsync(e)}pickObject(e){return this._pickClosestObject(e)}pickObjects(e){return this._pickVisibleObjects(e)}getLastPickedObject({x:e,y:r,layers:n,viewports:i},s=this.lastPickedInfo.info){let o=s&&s.layer&&s.layer.id,a=s&&s.viewport&&s.viewport.id,c=o?n.find(d=>d.id===o):null,l=a&&i.find(d=>d.id===a)||i[0],f=l&&l.unproject([e-l.x,r-l.y]);return{...s,...{x:e,y:r,viewport:l,coordinate:f,layer:c}}}_resizeBuffer(e=this.device.getDefaultCanvasContext()){if(!this.pickingFBO){let i=this.device.createTexture({format:"rgba8unorm",width:1,height:1,usage:q.RENDER_ATTACHMENT|q.COPY_SRC});if(this.pickingFBO=this.device.createFramebuffer({colorAttachments:[i],depthStencilAttachment:"depth16unorm"}),this.device.isTextureFormatRenderable("rgba32float")){let s=this.device.createTexture({format:"rgba32float",width:1,height:1,usage:q.RENDER_ATTACHMENT|q.COPY_SRC}),o=this.device.createFramebuffer({colorAttachments:[s],depthStencilAttachment:"depth16unorm"});this.depthFBO=o}}let[r,n]=e.getDrawingBufferSize();this.pickingFBO?.resize({width:r,height:n}),this.depthFBO?.resize({width:r,height:n})}_getPickable(e){if(this._pickable===!1)return null;let r=e.filter(n=>this.pickLayersPass.shouldDrawLayer(n)&&!n.isComposite);return r.length?r:null}async _pickClosestObjectAsync({layers:e,views:r,viewports:n,x:i,y:s,radius:o=0,depth:a=1,mode:c="query",unproject3D:l,canvasContext:f=this.device.getDefaultCanvasContext(),onViewportActive:u,effects:d}){let h=f.cssToDeviceRatio(),p=this._getPickable(e);if(!p||n.length===0)return{result:[],emptyInfo:Bl({viewports:n,x:i,y:s,pixelRatio:h})};this._resizeBuffer(f);let m=f.cssToDevicePixels([i,s],!0),g=[m.x+Math.floor(m.width/2),m.y+Math.floor(m.height/2)],y=Math.round(o*h),{width:_,height:x}=this.pickingFBO,w=this._getPickingRect({deviceX:g[0],deviceY:g[1],deviceRadius:y,deviceWidth:_,deviceHeight:x}),v={x:i-o,y:s-o,width:o*2+1,height:o*2+1},S,A=[],L=new Set;for(let C=0;C<a;C++){let T;if(w){let M=await this._drawAndSampleAsync({layers:p,views:r,viewports:n,onViewportActive:u,deviceRect:w,cullRect:v,effects:d,pass:`picking:${c}`,canvasContext:f});T=tm({...M,deviceX:g[0],deviceY:g[1],deviceRadius:y,deviceRect:w})}else T={pickedColor:null,pickedObjectIndex:-1};let O,k=this._getDepthLayers(T,p,l);if(k.length>0){let{pickedColors:M}=await this._drawAndSampleAsync({layers:k,views:r,viewports:n,onViewportActive:u,deviceRect:{x:T.pickedX??g[0],y:T.pickedY??g[1],width:1,height:1},cullRect:v,effects:d,pass:`picking:${c}:z`,canvasContext:f},!0);M[3]&&(O=M[0])}T.pickedLayer&&C+1<a&&(L.add(T.pickedLayer),T.pickedLayer.disablePickingIndex(T.pickedObjectIndex)),S=nm({pickInfo:T,lastPickedInfo:this.lastPickedInfo,mode:c,layers:p,viewports:n,x:i,y:s,z:O,pixelRatio:h});for(let M of S.values())M.layer&&A.push(M);if(!T.pickedColor)break}for(let C of L)C.restorePickingColors();return{result:A,emptyInfo:S.get(null)}}_pickClosestObject({layers:e,views:r,viewports:n,x:i,y:s,radius:o=0,depth:a=1,mode:c="query",unproject3D:l,canvasContext:f=this.device.getDefaultCanvasContext(),onViewportActive:u,effects:d}){let h=f.cssToDeviceRatio(),p=this._getPickable(e);if(!p||n.length===0)return{result:[],emptyInfo:Bl({viewports:n,x:i,y:s,pixelRatio:h})};this._resizeBuffer(f);let m=f.cssToDevicePixels([i,s],!0),g=[m.x+Math.floor(m.width/2),m.y+Math.floor(m.height/2)],y=Math.round(o*h),{width:_,height:x}=this.pickingFBO,w=this._getPickingRect({deviceX:g[0],deviceY:g[1],deviceRadius:y,deviceWidth:_,deviceHeight:x}),v={x:i-o,y:s-o,width:o*2+1,height:o*2+1},S,A=[],L=new Set;for(let C=0;C<a;C++){let T;if(w){let M=this._drawAndSample({layers:p,views:r,viewports:n,onViewportActive:u,deviceRect:w,cullRect:v,effects:d,pass:`picking:${c}`,canvasContext:f});T=tm({...M,deviceX:g[0],deviceY:g[1],deviceRadius:y,deviceRect:w})}else T={pickedColor:null,pickedObjectIndex:-1};let O,k=this._getDepthLayers(T,p,l);if(k.length>0){let{pickedColors:M}=this._drawAndSample({layers:k,views:r,viewports:n,onViewportActive:u,deviceRect:{x:T.pickedX??g[0],y:T.pickedY??g[1],width:1,height:1},cullRect:v,effects:d,pass:`picking:${c}:z`,canvasContext:f},!0);M[3]&&(O=M[0])}T.pickedLayer&&C+1<a&&(L.add(T.pickedLayer),T.pickedLayer.disablePickingIndex(T.pickedObjectIndex)),S=nm({pickInfo:T,lastPickedInfo:this.lastPickedInfo,mode:c,layers:p,viewports:n,x:i,y:s,z:O,pixelRatio:h});for(let M of S.values())M.layer&&A.push(M);if(!T.pickedColor)break}for(let C of L)C.restorePickingColors();return{result:A,emptyInfo:S.get(null)}}async _pickVisibleObjectsAsync({layers:e,views:r,viewports:n,x:i,y:s,width:o=1,height:a=1,mode:c="query",maxObjects:l=null,canvasContext:f=this.device.getDefaultCanvasContext(),onViewportActive:u,effects:d}){let h=this._getPickable(e);if(!h||n.length===0)return[];this._resizeBuffer(f);let p=f.cssToDeviceRatio(),m=f.cssToDevicePixels([i,s],!0),g=m.x,y=m.y+m.height,_=f.cssToDevicePixels([i+o,s+a],!0),x=_.x+_.width,w=_.y,v={x:g,y:w,width:x-g,height:y-w},S=await this._drawAndSampleAsync({layers:h,views:r,viewports:n,onViewportActive:u,deviceRect:v,cullRect:{x:i,y:s,width:o,height:a},effects:d,pass:`picking:${c}`,canvasContext:f}),A=rm(S),L=new Map,C=[],T=Number.isFinite(l);for(let O=0;O<A.length&&!(T&&C.length>=l);O++){let k=A[O],M={color:k.pickedColor,layer:null,index:k.pickedObjectIndex,picked:!0,x:i,y:s,pixelRatio:p};M=Dl({layer:k.pickedLayer,info:M,mode:c});let B=M.layer.id;L.has(B)||L.set(B,new Set);let ee=L.get(B),V=M.object??M.index;ee.has(V)||(ee.add(V),C.push(M))}return C}_pickVisibleObjects({layers:e,views:r,viewports:n,x:i,y:s,width:o=1,height:a=1,mode:c="query",maxObjects:l=null,canvasContext:f=this.device.getDefaultCanvasContext(),onViewportActive:u,effects:d}){let h=this._getPickable(e);if(!h||n.length===0)return[];this._resizeBuffer(f);let p=f.cssToDeviceRatio(),m=f.cssToDevicePixels([i,s],!0),g=m.x,y=m.y+m.height,_=f.cssToDevicePixels([i+o,s+a],!0),x=_.x+_.width,w=_.y,v={x:g,y:w,width:x-g,height:y-w},S=this._drawAndSample({layers:h,views:r,viewports:n,onViewportActive:u,deviceRect:v,cullRect:{x:i,y:s,width:o,height:a},effects:d,pass:`picking:${c}`,canvasContext:f}),A=rm(S),L=new Map,C=[],T=Number.isFinite(l);for(let O=0;O<A.length&&!(T&&C.length>=l);O++){let k=A[O],M={color:k.pickedColor,layer:null,index:k.pickedObjectIndex,picked:!0,x:i,y:s,pixelRatio:p};M=Dl({layer:k.pickedLayer,info:M,mode:c});let B=M.layer.id;L.has(B)||L.set(B,new Set);let ee=L.get(B),V=M.object??M.index;ee.has(V)||(ee.add(V),C.push(M))}return C}async _drawAndSampleAsync({layers:e,views:r,viewports:n,onViewportActive:i,deviceRect:s,cullRect:o,effects:a,pass:c,canvasContext:l},f=!1){let u=f?this.depthFBO:this.pickingFBO,d={layers:e,layerFilter:this.layerFilter,views:r,viewports:n,onViewportActive:i,pickingFBO:u,deviceRect:s,cullRect:o,effects:a,pass:c,canvasContext:l,pickZ:f,preRenderStats:{},isPicking:!0};for(let v of a)v.useInPicking&&(d.preRenderStats[v.id]=v.preRender(d));let{decodePickingColor:h,stats:p}=this.pickLayersPass.render(d);this._updateStats(p);let{x:m,y:g,width:y,height:_}=s,x=u.colorAttachments[0]?.texture;if(!x)throw new Error("Picking framebuffer color attachment is missing");let w=await this._readTextureDataAsync(x,{x:m,y:g,width:y,height:_},f?Float32Array:Uint8Array);if(!f){let v=!1;for(let S=3;S<w.length;S+=4)if(w[S]!==0){v=!0;break}!v&&w.length>0&&D.warn("Async pick readback returned only zero alpha values",{deviceRect:s,bytes:Array.from(w.subarray(0,Math.min(w.length,16)))})()}return{pickedColors:w,decodePickingColor:h}}async _readTextureDataAsync(e,r,n){let{width:i,height:s}=r,o=e.computeMemoryLayout(r),a=this.device.createBuffer({byteLength:o.byteLength,usage:U.COPY_DST|U.MAP_READ});try{e.readBuffer(r,a);let c=await a.readAsync(0,o.byteLength),l=n.BYTES_PER_ELEMENT;if(o.bytesPerRow%l!==0)throw new Error(`Texture readback row stride ${o.bytesPerRow} is not aligned to ${l}-byte elements.`);let f=new n(c.buffer,c.byteOffset,o.byteLength/l),u=i*4,d=o.bytesPerRow/l;if(d<u)throw new Error(`Texture readback row stride ${d} is smaller than packed row length ${u}.`);let h=new n(i*s*4);for(let p=0;p<s;p++){let m=p*d;h.set(f.subarray(m,m+u),p*u)}return h}finally{a.destroy()}}_drawAndSample({layers:e,views:r,viewports:n,onViewportActive:i,deviceRect:s,cullRect:o,effects:a,pass:c,canvasContext:l},f=!1){let u=f?this.depthFBO:this.pickingFBO,d={layers:e,layerFilter:this.layerFilter,views:r,viewports:n,onViewportActive:i,pickingFBO:u,deviceRect:s,cullRect:o,effects:a,pass:c,canvasContext:l,pickZ:f,preRenderStats:{},isPicking:!0};for(let w of a)w.useInPicking&&(d.preRenderStats[w.id]=w.preRender(d));let{decodePickingColor:h,stats:p}=this.pickLayersPass.render(d);this._updateStats(p);let{x:m,y:g,width:y,height:_}=s,x=new(f?Float32Array:Uint8Array)(y*_*4);return this.device.readPixelsToArrayWebGL(u,{sourceX:m,sourceY:g,sourceWidth:y,sourceHeight:_,target:x}),{pickedColors:x,decodePickingColor:h}}_updateStats(e){if(!this.stats)return;let r=0;for(let{visibleCount:n}of e)r+=n;this.stats.get("Layers picked").addCount(r)}_getDepthLayers(e,r,n){if(!n||!this.depthFBO)return[];let{pickedLayer:i}=e,s=i?.state?.terrainDrawMode==="drape";return i&&!s?[i]:r.filter(o=>o.props.operation.includes("terrain"))}_getPickingRect({deviceX:e,deviceY:r,deviceRadius:n,deviceWidth:i,deviceHeight:s}){let o=Math.max(0,e-n),a=Math.max(0,r-n),c=Math.min(i,e+n+1)-o,l=Math.min(s,r+n+1)-a;return c<=0||l<=0?null:{x:o,y:a,width:c,height:l}}};var g4={"top-left":{top:0,left:0},"top-right":{top:0,right:0},"bottom-left":{bottom:0,left:0},"bottom-right":{bottom:0,right:0},fill:{top:0,left:0,bottom:0,right:0}},y4="top-left",Rv="root",Nl=class{constructor({deck:e,parentElement:r}){this.defaultWidgets=[],this.widgets=[],this.resolvedWidgets=[],this.containers={},this.lastViewports={},this.deck=e,r?.classList.add("deck-widget-container"),this.parentElement=r}getWidgets(){return this.resolvedWidgets}setProps(e){if(e.widgets&&!le(e.widgets,this.widgets,1)){let r=e.widgets.filter(Boolean);this._setWidgets(r)}}finalize(){for(let e of this.getWidgets())this._removeWidget(e);this.defaultWidgets.length=0,this.resolvedWidgets.length=0;for(let e in this.containers)this.containers[e].remove()}addDefault(e){this.defaultWidgets.find(r=>r.id===e.id)||(this._addWidget(e),this.defaultWidgets.push(e),this._setWidgets(this.widgets))}onRedraw({viewports:e,layers:r}){let n=e.reduce((i,s)=>(i[s.id]=s,i),{});for(let i of this.getWidgets()){let{viewId:s}=i;if(s){let o=n[s];o&&(i.onViewportChange&&i.onViewportChange(o),i.onRedraw?.({viewports:[o],layers:r}))}else{if(i.onViewportChange)for(let o of e)i.onViewportChange(o);i.onRedraw?.({viewports:e,layers:r})}}this.lastViewports=n,this._updateContainers()}onHover(e,r){for(let n of this.getWidgets()){let{viewId:i}=n;(!i||i===e.viewport?.id)&&n.onHover?.(e,r)}}getCanvasBounds(e){let n=this.deck?.getCanvas?.()?.getBoundingClientRect(),i=this.parentElement?.getBoundingClientRect(),s=this.deck?.getCanvasContext?.(e?.id);if(s&&i){s.updatePosition();let[o,a]=s.getPosition(),[c,l]=s.getCSSSize();return{x:o-i.left,y:a-i.top,width:c,height:l}}return{x:n&&i?n.left-i.left:0,y:n&&i?n.top-i.top:0,width:n?.width||this.deck?.width||0,height:n?.height||this.deck?.height||0}}onEvent(e,r){let n=Mi[r.type];if(n)for(let i of this.getWidgets()){let{viewId:s}=i;(!s||s===e.viewport?.id)&&i[n]?.(e,r)}}_setWidgets(e){let r={};for(let n of this.resolvedWidgets)r[n.id]=n;this.resolvedWidgets.length=0;for(let n of this.defaultWidgets)r[n.id]=null,this.resolvedWidgets.push(n);for(let n of e){let i=r[n.id];i?i.viewId!==n.viewId||i.placement!==n.placement?(this._removeWidget(i),this._addWidget(n)):n!==i&&(i.setProps(n.props),n=i):this._addWidget(n),r[n.id]=null,this.resolvedWidgets.push(n)}for(let n in r){let i=r[n];i&&this._removeWidget(i)}this.widgets=e}_addWidget(e){let{viewId:r=null,placement:n=y4}=e,i=e.props._container??r;e.widgetManager=this,e.deck=this.deck,e.rootElement=e._onAdd({deck:this.deck,viewId:r}),e.rootElement&&this._getContainer(i,n).append(e.rootElement),e.updateHTML()}_removeWidget(e){e.onRemove?.(),e.rootElement&&e.rootElement.remove(),e.rootElement=void 0,e.deck=void 0,e.widgetManager=void 0}_getContainer(e,r){if(e&&typeof e!="string")return e;let n=e||Rv,i=this.containers[n];i||(i=document.createElement("div"),i.style.pointerEvents="none",i.style.position="absolute",i.style.overflow="hidden",this.parentElement?.append(i),this.containers[n]=i);let s=i.querySelector(`.${r}`);return s||(s=globalThis.document.createElement("div"),s.className=r,s.style.position="absolute",s.style.zIndex="2",Object.assign(s.style,g4[r]),i.append(s)),s}_updateContainers(){for(let e in this.containers){let r=this.lastViewports[e]||null,n=e===Rv||r,i=this.containers[e];if(n){let s=this._getContainerBounds(r);i.style.display="block",i.style.left=`${s.x}px`,i.style.top=`${s.y}px`,i.style.width=`${s.width}px`,i.style.height=`${s.height}px`}else i.style.display="none"}}_getContainerBounds(e){if(!e)return{x:0,y:0,width:this.parentElement?.clientWidth||this.deck.width,height:this.parentElement?.clientHeight||this.deck.height};let r=this.getCanvasBounds(e);return{x:r.x+e.x,y:r.y+e.y,width:e.width,height:e.height}}};function im(t,e){e&&Object.entries(e).map(([r,n])=>{r.startsWith("--")?t.style.setProperty(r,n):t.style[r]=n})}function kv(t,e){e&&Object.keys(e).map(r=>{r.startsWith("--")?t.style.removeProperty(r):t.style[r]=""})}var qi=class{constructor(e){this.viewId=null,this.props={...this.constructor.defaultProps,...e},this.id=this.props.id}setProps(e){let r=this.props,n=this.rootElement;n&&r.className!==e.className&&(r.className&&n.classList.remove(r.className),e.className&&n.classList.add(e.className)),n&&!le(r.style,e.style,1)&&(kv(n,r.style),im(n,e.style)),Object.assign(this.props,e),this.updateHTML()}updateHTML(){this.rootElement&&this.onRenderHTML(this.rootElement)}get viewIds(){return this.viewId?[this.viewId]:this.deck?.getViews().map(e=>e.id)??[]}getViewState(e){return this.deck?.viewManager?.getViewState(e)||{}}setViewState(e,r){this.deck?._onViewStateChange({viewId:e,viewState:r,interactionState:{}})}onCreateRootElement(){let e=["deck-widget",this.className,this.props.className],r=document.createElement("div");return e.filter(n=>typeof n=="string"&&n.length>0).forEach(n=>r.classList.add(n)),im(r,this.props.style),r}_onAdd(e){return this.onAdd(e)??this.onCreateRootElement()}onAdd(e){}onRemove(){}onViewportChange(e){}onRedraw(e){}onHover(e,r){}onClick(e,r){}onDrag(e,r){}onDragStart(e,r){}onDragEnd(e,r){}};qi.defaultProps={id:"widget",style:{},_container:null,className:""};var _4={zIndex:"1",position:"absolute",pointerEvents:"none",color:"#a0a7b4",backgroundColor:"#29323c",padding:"10px",top:"0",left:"0",display:"none"},Xo=class extends qi{constructor(e={}){super(e),this.id="default-tooltip",this.placement="fill",this.className="deck-tooltip",this.isVisible=!1,this.setProps(e)}onCreateRootElement(){let e=document.createElement("div");return e.className=this.className,Object.assign(e.style,_4),e}onRenderHTML(e){}onViewportChange(e){this.isVisible&&e.id===this.lastViewport?.id&&!e.equals(this.lastViewport)&&this.setTooltip(null),this.lastViewport=e}onHover(e){let{deck:r}=this,n=r&&r.props.getTooltip;if(!n)return;let i=n(e),s=this.widgetManager?.getCanvasBounds(e.viewport),o=e.x+(s?.x||0),a=e.y+(s?.y||0);this.setTooltip(i,o,a)}setTooltip(e,r,n){let i=this.rootElement;if(i){if(typeof e=="string")i.innerText=e;else if(e)e.text&&(i.innerText=e.text),e.html&&(i.innerHTML=e.html),e.className&&(i.className=e.className);else{this.isVisible=!1,i.style.display="none";return}this.isVisible=!0,i.style.display="block",i.style.transform=`translate(${r}px, ${n}px)`,e&&typeof e=="object"&&"style"in e&&Object.assign(i.style,e.style)}}};Xo.defaultProps={...qi.defaultProps};var Zo=class{constructor(e){this.targets={},this.order=[],this.eventManagers={},this._eventRootToCanvasId=new WeakMap,this._createEventManager=e.createEventManager,this._getEventRoot=e.getEventRoot}finalize(){for(let e of Object.values(this.targets))e.eventManager.destroy(),e.presentationContext.destroy();this.targets={},this.order=[],this.eventManagers={},this._eventRootToCanvasId=new WeakMap}syncCanvasEntries(e){let r=this._normalizeCanvasList(e.canvases),n={},i=[],s=new Map;for(let{canvas:a}of r){let c=this._getEventRoot(a);s.set(c,(s.get(c)||0)+1)}for(let{id:a,canvas:c}of r){let l=this._getEventRoot(c),f=s.get(l)===1?l:c,u=this.targets[a];if(!u||u.device!==e.device||u.canvas!==c||u.eventRoot!==f){u?.eventManager.destroy(),u?.presentationContext.destroy();let d=e.device.createPresentationContext({id:a,canvas:c,useDevicePixels:e.useDevicePixels,autoResize:!0});u={id:a,device:e.device,canvas:c,eventRoot:f,presentationContext:d,eventManager:this._createEventManager(f)}}this._eventRootToCanvasId.set(f,a),this._eventRootToCanvasId.set(c,a),n[a]=u,i.push(a)}for(let[a,c]of Object.entries(this.targets))n[a]||(c.eventManager.destroy(),c.presentationContext.destroy());this.targets=n,this.order=i;let o=Object.fromEntries(Object.entries(n).map(([a,c])=>[a,c.eventManager]));this._haveSameEventManagers(o)||(this.eventManagers=o)}getCanvasIdFromEvent(e){return e?this._eventRootToCanvasId.get(e):void 0}getTarget(e){return this.targets[e||this.order[0]||Fr]||null}_normalizeCanvasList(e=[]){let r=new Set;return e.map((n,i)=>{let s,o;return typeof n=="string"?(s=document.getElementById(n),X(s,`Canvas with id ${n} not found`),o=n):(s=n,o=s.id||`deckgl-canvas-${i}`),X(!r.has(o),`Duplicate canvas id ${o}`),r.add(o),{id:o,canvas:s}})}_haveSameEventManagers(e){let r=Object.keys(e),n=Object.keys(this.eventManagers);return r.length===n.length&&r.every(i=>e[i]===this.eventManagers[i])}};N();gf();oe();oe();Ts();function pr(){}var CD=({isDragging:t})=>t?"grabbing":"grab",sE={id:"",width:"100%",height:"100%",style:null,viewState:null,initialViewState:null,pickingRadius:0,pickAsync:"auto",layerFilter:null,parameters:{},parent:null,device:null,deviceProps:{},gl:null,canvas:null,_canvases:null,layers:[],effects:[],views:null,controller:null,useDevicePixels:!0,touchAction:"none",eventRecognizerOptions:{},_framebuffer:null,_animate:!1,_pickable:!0,_typedArrayManagerProps:{},_customRender:null,widgets:[],onDeviceInitialized:pr,onWebGLInitialized:pr,onResize:pr,onViewStateChange:pr,onInteractionStateChange:pr,onBeforeRender:pr,onAfterRender:pr,onLoad:pr,onError:t=>D.error(t.message,t.cause)(),onHover:null,onClick:null,onDragStart:null,onDrag:null,onDragEnd:null,_onMetrics:null,getCursor:CD,getTooltip:null,debug:!1,drawPickingColors:!1},ca=class{constructor(e){this.width=0,this.height=0,this.userData={},this.device=null,this.canvas=null,this.viewManager=null,this.layerManager=null,this.effectManager=null,this.deckRenderer=null,this.deckPicker=null,this.eventManager=null,this.eventManagers={},this.widgetManager=null,this.tooltip=null,this.animationLoop=null,this._canvasContext=null,this._deviceResizeHandler=null,this.cursorState={isHovering:!1,isDragging:!1},this.stats=new at({id:"deck.gl"}),this.metrics={fps:0,setPropsTime:0,layersCount:0,drawLayersCount:0,updateLayersCount:0,updateAttributesCount:0,updateAttributesTime:0,framesRedrawn:0,pickTime:0,pickCount:0,pickLayersCount:0,gpuTime:0,gpuTimePerFrame:0,cpuTime:0,cpuTimePerFrame:0,bufferMemory:0,textureMemory:0,renderbufferMemory:0,gpuMemory:0},this._metricsCounter=0,this._hoverPickSequence=0,this._pointerDownPickSequence=0,this._needsRedraw="Initial render",this._canvasManager=new Zo({createEventManager:i=>this._createEventManager(i),getEventRoot:i=>this._getEventRoot(i)}),this._ownedCanvas=null,this._pickRequest={mode:"hover",x:-1,y:-1,radius:0,canvasId:void 0,event:null,unproject3D:!1},this._lastPointerDownInfo=null,this._lastPointerDownInfoPromise=null,this._onPointerMove=i=>{let{_pickRequest:s}=this,o=this._getCanvasIdFromEvent(i);if(i.type==="pointerleave")s.x=-1,s.y=-1,s.radius=0,s.canvasId=o;else{if(i.leftButton||i.rightButton)return;{let a=i.offsetCenter;if(!a)return;s.x=a.x,s.y=a.y,s.radius=this.props.pickingRadius,s.canvasId=o}}this.layerManager&&(this.layerManager.context.mousePosition={x:s.x,y:s.y}),s.event=i},this._onEvent=i=>{let s=Mi[i.type],o=i.offsetCenter,a=this._getCanvasIdFromEvent(i);if(!s||!o||!this.layerManager)return;let c=this.layerManager.getLayers(),l=this._getInternalPickingMode();if(!l)return;if(l==="sync"){let u=i.type==="click"&&this._shouldUnproject3D(c)?this._getFirstPickedInfo(this._pickPointSync(this._getPointPickOptions(o.x,o.y,{unproject3D:!0,canvasId:a},c))):this._getLastPointerDownPickingInfo(o.x,o.y,a,c);this._dispatchPickingEvent(u,i);return}(this._lastPointerDownInfoPromise||Promise.resolve(this._getLastPointerDownPickingInfo(o.x,o.y,a,c))).then(u=>{this._dispatchPickingEvent(u,i)}).catch(u=>this.props.onError?.(u))},this._onPointerDown=i=>{let s=i.offsetCenter,o=this._getCanvasIdFromEvent(i);if(!s)return;let a=this._getInternalPickingMode();if(!a)return;let c=this.layerManager?.getLayers()||[],l=++this._pointerDownPickSequence;if(a==="sync"){let u=this._pickPointSync({x:s.x,y:s.y,canvasId:o,radius:this.props.pickingRadius}),d=this._getFirstPickedInfo(u);this._lastPointerDownInfo=d,this._lastPointerDownInfoPromise=Promise.resolve(d);return}let f=this._pickPointAsync(this._getPointPickOptions(s.x,s.y,{canvasId:o},c)).then(u=>this._getFirstPickedInfo(u)).then(u=>(l===this._pointerDownPickSequence&&(this._lastPointerDownInfo=u),u)).catch(u=>{this.props.onError?.(u);let d=this.deckPicker&&this.viewManager?this._getLastPointerDownPickingInfo(s.x,s.y,o,c):{};return l===this._pointerDownPickSequence&&(this._lastPointerDownInfo=d),d});this._lastPointerDownInfo=null,this._lastPointerDownInfoPromise=f};let r=e;this.props={...sE,...e},e=this.props,this._validateCanvasConfiguration(e),e.viewState&&e.initialViewState&&D.warn("View state tracking is disabled. Use either `initialViewState` for auto update or `viewState` for manual update.")(),this.viewState=this.props.initialViewState,e.device&&(this.device=e.device,this._setDeviceCanvasContext(e.device));let n=this.device;!n&&e.gl&&(e.gl instanceof WebGLRenderingContext&&D.error("WebGL1 context not supported.")(),n=aa.attach(e.gl,{_cacheShaders:!0,_cachePipelines:!0,...this.props.deviceProps})),n||(n=this._createDevice(e)),this.animationLoop=this._createAnimationLoop(n,e),this.setProps(r),e._typedArrayManagerProps&&ur.setOptions(e._typedArrayManagerProps),this.animationLoop.start()}finalize(){this._restoreDeviceResizeHandler(),this.animationLoop?.stop(),this.animationLoop?.destroy(),this.animationLoop=null,this._hoverPickSequence++,this._pointerDownPickSequence++,this._lastPointerDownInfo=null,this._lastPointerDownInfoPromise=null,this.layerManager?.finalize(),this.layerManager=null,this.viewManager?.finalize(),this.viewManager=null,this.effectManager?.finalize(),this.effectManager=null,this.deckRenderer?.finalize(),this.deckRenderer=null,this.deckPicker?.finalize(),this.deckPicker=null,Object.keys(this._canvasManager.targets).length||this.eventManager?.destroy(),this.eventManager=null,this.eventManagers={},this.widgetManager?.finalize(),this.widgetManager=null,this._canvasManager.finalize(),this._isMultiCanvasMode()?this.canvas=null:this.canvas&&this.canvas===this._ownedCanvas&&(this.canvas.parentElement?.removeChild(this.canvas),this.canvas=null,this._ownedCanvas=null),this._canvasContext=null}setProps(e){this.stats.get("setProps Time").timeStart(),"onLayerHover"in e&&D.removed("onLayerHover","onHover")(),"onLayerClick"in e&&D.removed("onLayerClick","onClick")(),e.initialViewState&&!le(this.props.initialViewState,e.initialViewState,3)&&(this.viewState=e.initialViewState),X(!("_canvases"in e)||Array.isArray(e._canvases)===this._isMultiCanvasMode()),Object.assign(this.props,e),this._validateCanvasConfiguration(this.props),this._validateInternalPickingMode(),this.device&&this._isMultiCanvasMode()&&this._syncCanvasTargets(),this._setCanvasSize(this.props);let r=Object.create(this.props);if(Object.assign(r,{views:this._getViews(),width:this.width,height:this.height,viewState:this._getViewState(),eventManagers:this.eventManagers}),e.device&&e.device.id!==this.device?.id){let n=e.device.getDefaultCanvasContext();this.animationLoop?.stop(),!this._isMultiCanvasMode()&&this.canvas!==n.canvas&&(this.canvas?.remove(),this.eventManager?.destroy(),this.canvas=null),this._setDeviceCanvasContext(e.device),D.log(`recreating animation loop for new device! id=${e.device.id}`)(),this.animationLoop=this._createAnimationLoop(e.device,e),this.animationLoop.start()}if(this.animationLoop?.setProps(r),e.useDevicePixels!==void 0&&this._canvasContext?.setProps){this._canvasContext.setProps({useDevicePixels:e.useDevicePixels});for(let n of Object.values(this._canvasManager.targets))n.presentationContext.setProps({useDevicePixels:e.useDevicePixels})}this.layerManager&&(this.viewManager.setProps(r),this.layerManager.activateViewport(this.getViewports()[0]),this.layerManager.setProps(r),this.effectManager.setProps(r),this.deckRenderer.setProps(r),this.deckPicker.setProps(r),this.widgetManager.setProps(r)),this.stats.get("setProps Time").timeEnd()}needsRedraw(e={clearRedrawFlags:!1}){if(!this.layerManager)return!1;if(this.props._animate)return"Deck._animate";let r=this._needsRedraw;e.clearRedrawFlags&&(this._needsRedraw=!1);let n=this.viewManager.needsRedraw(e),i=this.layerManager.needsRedraw(e),s=this.effectManager.needsRedraw(e),o=this.deckRenderer.needsRedraw(e);return r=r||n||i||s||o,r}redraw(e){if(!this.layerManager)return;let r=this.needsRedraw({clearRedrawFlags:!0});r=e||r,r&&(this.stats.get("Redraw Count").incrementCount(),this.props._customRender?this.props._customRender(r):this._drawLayers(r))}get isInitialized(){return this.viewManager!==null}getViews(){return X(this.viewManager),this.viewManager.views}getView(e){return X(this.viewManager),this.viewManager.getView(e)}getViewports(e){return X(this.viewManager),this.viewManager.getViewports(e)}getCanvas(){return this.canvas}getCanvasContext(e){let r=e?this.viewManager?.getView(e)?.props.canvasId:void 0;return this._getCanvasContext(r)}getEventManager(e){if(!e||!this.viewManager)return this.eventManager;let r=this.viewManager.getCanvasId(e)||Fr;return this.eventManagers[r]||this.eventManager}async pickObjectAsync(e){let r=(await this._pickAsync("pickObjectAsync","pickObject Time",e)).result;return r.length?r[0]:null}async pickObjectsAsync(e){return await this._pickAsync("pickObjectsAsync","pickObjects Time",e)}pickObject(e){let r=this._pick("pickObject","pickObject Time",e).result;return r.length?r[0]:null}pickMultipleObjects(e){return e.depth=e.depth||10,this._pick("pickObject","pickMultipleObjects Time",e).result}pickObjects(e){return this._pick("pickObjects","pickObjects Time",e)}_pickPositionForController(e,r,n){return this._getInternalPickingMode()!=="sync"?null:this.pickObject({x:e,y:r,radius:0,unproject3D:!0,canvasId:n?this.viewManager?.getCanvasId(n):void 0})}_addResources(e,r=!1){for(let n in e)this.layerManager.resourceManager.add({resourceId:n,data:e[n],forceUpdate:r})}_removeResources(e){for(let r of e)this.layerManager.resourceManager.remove(r)}_addDefaultEffect(e){this.effectManager.addDefaultEffect(e)}_addDefaultShaderModule(e){this.layerManager.addDefaultShaderModule(e)}_removeDefaultShaderModule(e){this.layerManager?.removeDefaultShaderModule(e)}_resolveInternalPickingMode(){let{pickAsync:e}=this.props,r=this.device?.type||this.props.deviceProps?.type;if(e==="auto")return r==="webgpu"?"async":"sync";if(e==="sync"&&r==="webgpu")throw new Error('`pickAsync: "sync"` is not supported when Deck is using a WebGPU device.');return e}_getInternalPickingMode(){try{return this._resolveInternalPickingMode()}catch(e){return this.props.onError?.(e),null}}_validateInternalPickingMode(){this._getInternalPickingMode()}_getFirstPickedInfo({result:e,emptyInfo:r}){return e[0]||r}_shouldUnproject3D(e=this.layerManager?.getLayers()||[]){return e.some(r=>r.props.pickable==="3d")}_getPointPickOptions(e,r,n={},i=this.layerManager?.getLayers()||[]){return{x:e,y:r,canvasId:n.canvasId,radius:this.props.pickingRadius,unproject3D:this._shouldUnproject3D(i),...n}}_pickPointSync(e){return this._pick("pickObject","pickObject Time",e)}_pickPointAsync(e){return this._pickAsync("pickObjectAsync","pickObject Time",e)}_getLastPointerDownPickingInfo(e,r,n,i=this.layerManager?.getLayers()||[]){return this.deckPicker.getLastPickedObject({x:e,y:r,layers:i,viewports:this.getViewports({x:e,y:r,canvasId:n})},this._lastPointerDownInfo)}_applyHoverCallbacks({result:e,emptyInfo:r},n){if(!this.widgetManager)return;this.cursorState.isHovering=e.length>0;let i=r,s=!1;for(let o of e)i=o,s=o.layer?.onHover(o,n)||s;s||(this.props.onHover?.(i,n),this.widgetManager.onHover(i,n))}_dispatchPickingEvent(e,r){if(!this.layerManager||!this.widgetManager)return;let n=Mi[r.type];if(!n)return;let{layer:i}=e,s=i&&(i[n]||i.props[n]),o=this.props[n],a=!1;s&&(a=s.call(i,e,r)),a||(o?.(e,r),this.widgetManager.onEvent(e,r))}_pickAsync(e,r,n){X(this.deckPicker);let{stats:i}=this,s=this._isMultiCanvasMode()?n.canvasId||this._getDefaultCanvasId():n.canvasId,o=this._getCanvasContext(s)||void 0;i.get("Pick Count").incrementCount(),i.get(r).timeStart(),this._resizeForCanvasTarget(s);let a=this.deckPicker[e]({layers:this.layerManager.getLayers(n),views:this.viewManager.getViews(),viewports:this.getViewports({...n,canvasId:s}),onViewportActive:this.layerManager.activateViewport,effects:this.effectManager.getEffects(),...n,canvasId:s,canvasContext:o});return i.get(r).timeEnd(),a}_pick(e,r,n){X(this.deckPicker);let{stats:i}=this,s=this._isMultiCanvasMode()?n.canvasId||this._getDefaultCanvasId():n.canvasId,o=this._getCanvasContext(s)||void 0;i.get("Pick Count").incrementCount(),i.get(r).timeStart(),this._resizeForCanvasTarget(s);let a=this.deckPicker[e]({layers:this.layerManager.getLayers(n),views:this.viewManager.getViews(),viewports:this.getViewports({...n,canvasId:s}),onViewportActive:this.layerManager.activateViewport,effects:this.effectManager.getEffects(),...n,canvasId:s,canvasContext:o});return i.get(r).timeEnd(),a}_createCanvas(e){let r=e.canvas;return typeof r=="string"&&(r=document.getElementById(r),X(r)),r?this._ownedCanvas=null:(r=document.createElement("canvas"),r.id=e.id||"deckgl-overlay",e.width&&typeof e.width=="number"&&(r.width=e.width),e.height&&typeof e.height=="number"&&(r.height=e.height),(e.parent||document.body).appendChild(r),this._ownedCanvas=r),Object.assign(r.style,e.style),r}_isMultiCanvasMode(){return Array.isArray(this.props._canvases)}_getDefaultCanvasId(){return this._canvasManager.order[0]||Fr}_validateCanvasConfiguration(e){Array.isArray(e._canvases)&&(X(!e.canvas),X(!e.gl),X(!e.device?.canvasContext||e.device.getDefaultCanvasContext().offscreenCanvas))}_createEventManager(e){let r=new vo(e,{touchAction:this.props.touchAction,recognizers:Object.keys(Ap).map(n=>{let[i,s,o,a]=Ap[n],c=this.props.eventRecognizerOptions?.[n],l={...s,...c,event:n};return{recognizer:new i(l),recognizeWith:o,requireFailure:a}}),events:{pointerdown:this._onPointerDown,pointermove:this._onPointerMove,pointerleave:this._onPointerMove}});for(let n in Mi)n==="dblclick"?r.watch(n,this._onEvent):r.on(n,this._onEvent);return r}_getEventRoot(e){return e.closest(".deck-events-root")||this.props.parent?.querySelector(".deck-events-root")||e}_syncCanvasTargets(){if(!this.device||!this._isMultiCanvasMode())return;this._canvasManager.syncCanvasEntries({device:this.device,canvases:this.props._canvases||[],useDevicePixels:this.props.useDevicePixels}),this.eventManagers=this._canvasManager.eventManagers;let e=this._getDefaultCanvasId();this.eventManager=this.eventManagers[e]||null,this.canvas=this._canvasManager.targets[e]?.canvas||null}_setCanvasContext(e){this._canvasContext=e,"style"in e.canvas&&(this.canvas=e.canvas)}_setDeviceCanvasContext(e,r={}){let n=e.getDefaultCanvasContext();this._setCanvasContext(n),this._setDeviceResizeHandler(e,r)}_setDeviceResizeHandler(e,r={}){let n=!!r.syncDrawingBuffer;if(this._deviceResizeHandler?.device===e){this._deviceResizeHandler.syncDrawingBuffer=n;return}this._restoreDeviceResizeHandler();let i=s=>{this._isMultiCanvasMode()?this._updateMultiCanvasDimensions():s===this._canvasContext&&this._canvasContext&&this._onCanvasContextResize(this._canvasContext,{syncDrawingBuffer:this._deviceResizeHandler?.syncDrawingBuffer})};e.props.onResize=i,this._deviceResizeHandler={device:e,onResize:i,syncDrawingBuffer:n}}_restoreDeviceResizeHandler(){let e=this._deviceResizeHandler;e&&e.device.props?.onResize===e.onResize&&(e.device.props.onResize=pr),this._deviceResizeHandler=null}_setCanvasSize(e){if(this._isMultiCanvasMode()||!this.canvas)return;let{width:r,height:n}=e;if(r||r===0){let i=Number.isFinite(r)?`${r}px`:r;this.canvas.style.width=i}if(n||n===0){let i=Number.isFinite(n)?`${n}px`:n;this.canvas.style.position=e.style?.position||"absolute",this.canvas.style.height=i}}_getCanvasIdFromEvent(e){return this._canvasManager.getCanvasIdFromEvent(e?.rootElement)}_getCanvasContext(e){return this._canvasManager.getTarget(e)?.presentationContext||this._canvasContext}_resizeForCanvasTarget(e){let r=this._canvasManager.getTarget(e);if(!r||!this.device?.canvasContext)return;let[n,i]=r.presentationContext.getDrawingBufferSize();this.device.canvasContext.setDrawingBufferSize(n,i)}_createDeviceCanvas(e){if(this._isMultiCanvasMode()){let r=globalThis.OffscreenCanvas;if(!r)throw new Error("`_canvases` requires OffscreenCanvas support.");let n=typeof e.width=="number"&&Number.isFinite(e.width)?e.width:1,i=typeof e.height=="number"&&Number.isFinite(e.height)?e.height:1;return new r(n,i)}return this._createCanvas(e)}_updateCanvasSize(e=this._canvasContext){if(this._isMultiCanvasMode()){this._updateMultiCanvasDimensions();return}let{canvas:r}=this,[n,i]=e?e.getCSSSize():[r?.clientWidth??r?.width??0,r?.clientHeight??r?.height??0];(n!==this.width||i!==this.height)&&(this.width=n,this.height=i,this.viewManager?.setProps({width:n,height:i}),this.layerManager?.activateViewport(this.getViewports()[0]),this.props.onResize({width:n,height:i},e||void 0))}_onCanvasContextResize(e,r={}){if(r.syncDrawingBuffer){let{width:n,height:i}=e.canvas;e.setDrawingBufferSize(n,i)}this._needsRedraw="Canvas resized",this._updateCanvasSize(e)}_updateMultiCanvasDimensions(){let[e,r]=this._getCanvasContext()?.getCSSSize()||[0,0];(e!==this.width||r!==this.height)&&(this.width=e,this.height=r,this.props.onResize({width:e,height:r})),this._needsRedraw="Canvas resized",this.viewManager?.setNeedsUpdate("Canvas resized"),this.viewManager?.setProps({width:this.width,height:this.height})}_createAnimationLoop(e,r){let{gl:n,onError:i}=r;return new ko({device:e,autoResizeDrawingBuffer:!n&&!Array.isArray(r._canvases),autoResizeViewport:!1,onInitialize:s=>this._setDevice(s.device),onRender:this._onRenderFrame.bind(this),onError:i})}_createDevice(e){let r=this.props.deviceProps?.createCanvasContext,n=typeof r=="object"?r:void 0,i={adapters:[],_cacheShaders:!0,_cachePipelines:!0,...e.deviceProps};i.adapters.includes(aa)||i.adapters.push(aa);let s={alphaMode:this.props.deviceProps?.type==="webgpu"?"premultiplied":void 0};return hi.createDevice({_reuseDevices:!0,type:"webgl",...i,createCanvasContext:{...s,...n,canvas:this._createDeviceCanvas(e),useDevicePixels:this.props.useDevicePixels,autoResize:!0}})}_getViewState(){return this.props.viewState||this.viewState}_getViews(){let{views:e}=this.props,r=Array.isArray(e)?e:e?[e]:[new Iv({id:"default-view"})];return r.length&&this.props.controller&&(r[0]=r[0].clone({controller:this.props.controller})),r}_onContextLost(){let{onError:e}=this.props;this.animationLoop&&e&&e(new Error("WebGL context is lost"))}_pickAndCallback(){let{_pickRequest:e}=this;if(e.event){let r=e.event,n=this.layerManager?.getLayers()||[],i=this._getPointPickOptions(e.x,e.y,{canvasId:e.canvasId,radius:e.radius,mode:e.mode},n),s=this._getInternalPickingMode(),o=++this._hoverPickSequence;if(e.event=null,e.canvasId=void 0,!s)return;if(s==="sync"){this._applyHoverCallbacks(this._pickPointSync(i),r);return}this._pickPointAsync(i).then(({result:a,emptyInfo:c})=>{o===this._hoverPickSequence&&this._applyHoverCallbacks({result:a,emptyInfo:c},r)}).catch(a=>this.props.onError?.(a))}}_updateCursor(){let e=this.props.getCursor(this.cursorState);if(this._isMultiCanvasMode()){for(let n of Object.values(this._canvasManager.targets))n.canvas.style.cursor=e;return}let r=this.props.parent||this.canvas;r&&(r.style.cursor=e)}_setDevice(e){if(this.device=e,this._validateInternalPickingMode(),!this.animationLoop)return;this._setDeviceCanvasContext(e,{syncDrawingBuffer:!!(this.props.gl&&this.props.device!==e)}),this._isMultiCanvasMode()?this._syncCanvasTargets():this.canvas&&!this.canvas.isConnected&&this.props.parent&&this.props.parent.insertBefore(this.canvas,this.props.parent.firstChild),this.device.type==="webgl"&&this.device.setParametersWebGL({blend:!0,blendFunc:[770,771,1,771],polygonOffsetFill:!0,depthTest:!0,depthFunc:515}),this.props.onDeviceInitialized(this.device),this.device.type==="webgl"&&this.props.onWebGLInitialized(this.device.gl);let r=new On;if(r.play(),this.animationLoop.attachTimeline(r),!this._isMultiCanvasMode()){let s=this.canvas&&this._getEventRoot(this.canvas);X(s),this.eventManager=this._createEventManager(s),this.eventManagers={[Fr]:this.eventManager}}this.viewManager=new Uo({timeline:r,eventManager:this.eventManager,eventManagers:this.eventManagers,getCanvasContext:this._isMultiCanvasMode()?this.getCanvasContext.bind(this):void 0,onViewStateChange:this._onViewStateChange.bind(this),onInteractionStateChange:this._onInteractionStateChange.bind(this),pickPosition:this._pickPositionForController.bind(this),views:this._getViews(),viewState:this._getViewState(),width:this.width,height:this.height});let n=this.viewManager.getViewports()[0];this.layerManager=new zo(this.device,{deck:this,stats:this.stats,viewport:n,timeline:r}),this.effectManager=new jo({deck:this,device:this.device}),this.deckRenderer=new Yo(this.device,{stats:this.stats}),this.deckPicker=new qo(this.device,{stats:this.stats});let i=this.props.parent?.querySelector(".deck-widgets-root")||(this._isMultiCanvasMode()?this.props.parent||this.canvas?.parentElement:null)||this.canvas?.parentElement;this.widgetManager=new Nl({deck:this,parentElement:i}),this.widgetManager.addDefault(new Xo),this.setProps({}),this._updateCanvasSize(this._canvasContext),this.props.onLoad()}_drawLayers(e,r){let{device:n,gl:i}=this.layerManager.context;this.props.onBeforeRender({device:n,gl:i});let s={target:this.props._framebuffer,layers:this.layerManager.getLayers(),viewports:this.viewManager.getViewports(),onViewportActive:this.layerManager.activateViewport,views:this.viewManager.getViews(),pass:"screen",effects:this.effectManager.getEffects(),...r};if(this._isMultiCanvasMode()&&s.pass==="screen"&&!s.target&&this._canvasManager.order.length)for(let o of this._canvasManager.order){let a=s.viewports.filter(f=>this.viewManager.getCanvasId(f.id)===o);if(!a.length){let f=this._canvasManager.targets[o];this._resizeForCanvasTarget(o),this.deckRenderer?.renderLayers({...s,canvasContext:f.presentationContext,target:f.presentationContext.getCurrentFramebuffer(),viewports:[],clearCanvas:!0}),f.presentationContext.present();continue}let c=this._canvasManager.targets[o];this._resizeForCanvasTarget(o);let l=c.presentationContext.getCurrentFramebuffer();this.deckRenderer?.renderLayers({...s,canvasContext:c.presentationContext,target:l,viewports:a}),c.presentationContext.present()}else this.deckRenderer?.renderLayers(s);s.pass==="screen"&&this.widgetManager.onRedraw({viewports:s.viewports,layers:s.layers}),this.props.onAfterRender({device:n,gl:i})}_onRenderFrame(){this._getFrameStats(),this._metricsCounter++%60===0&&(this._getMetrics(),this.stats.reset(),D.table(4,this.metrics)(),this.props._onMetrics&&this.props._onMetrics(this.metrics)),this._updateCursor(),this.layerManager.updateLayers(),this._pickAndCallback(),this.redraw(),this.viewManager&&this.viewManager.updateViewStates()}_onViewStateChange(e){let r=this.props.onViewStateChange(e)||e.viewState;this.viewState&&(this.viewState={...this.viewState,[e.viewId]:r},this.props.viewState||this.viewManager&&this.viewManager.setProps({viewState:this.viewState}))}_onInteractionStateChange(e){this.cursorState.isDragging=e.isDragging||!1,this.props.onInteractionStateChange(e)}_getFrameStats(){let{stats:e}=this;e.get("frameRate").timeEnd(),e.get("frameRate").timeStart();let r=this.animationLoop.stats;e.get("GPU Time").addTime(r.get("GPU Time").lastTiming),e.get("CPU Time").addTime(r.get("CPU Time").lastTiming)}_getMetrics(){let{metrics:e,stats:r}=this;e.fps=r.get("frameRate").getHz(),e.setPropsTime=r.get("setProps Time").time,e.updateAttributesTime=r.get("Update Attributes").time,e.framesRedrawn=r.get("Redraw Count").count,e.pickTime=r.get("pickObject Time").time+r.get("pickMultipleObjects Time").time+r.get("pickObjects Time").time,e.pickCount=r.get("Pick Count").count,e.layersCount=this.layerManager?.layers.length??0,e.drawLayersCount=r.get("Layers rendered").lastSampleCount,e.pickLayersCount=r.get("Layers picked").lastSampleCount,e.updateLayersCount=r.get("Layer updates").count,e.updateAttributesCount=r.get("Attributes updated").count,e.gpuTime=r.get("GPU Time").time,e.cpuTime=r.get("CPU Time").time,e.gpuTimePerFrame=r.get("GPU Time").getAverageTime(),e.cpuTimePerFrame=r.get("CPU Time").getAverageTime();let n=hi.stats.get("GPU Time and Memory");e.bufferMemory=n.get("Buffer Memory").count,e.textureMemory=n.get("Texture Memory").count,e.renderbufferMemory=n.get("Renderbuffer Memory").count,e.gpuMemory=n.get("GPU Memory").count}};ca.defaultProps=sE;ca.VERSION=A_;var la=ca;N();N();function oE(t){switch(t){case"float64":return Float64Array;case"uint8":case"unorm8":return Uint8ClampedArray;default:return ln(t)}}var aE=we.getDataType.bind(we);function fa(t,e,r){if(e.size>4)return null;let n=r==="webgpu"&&e.type==="uint8"?"unorm8":e.type,i=e.size,s=!!(r!=="webgpu"&&i===3&&n&&["uint8","sint8","unorm8","snorm8","uint16","sint16","unorm16","snorm16"].includes(n));return{attribute:t,format:i>1?`${n}x${i}${s?"-webgl":""}`:e.type,byteOffset:e.offset||0}}function gt(t){return t.stride||t.size*t.bytesPerElement}function cE(t,e){return t.type===e.type&&t.size===e.size&&gt(t)===gt(e)&&(t.offset||0)===(e.offset||0)}function Rm(t,e){e.offset&&D.removed("shaderAttribute.offset","vertexOffset, elementOffset")();let r=gt(t),n=e.vertexOffset!==void 0?e.vertexOffset:t.vertexOffset||0,i=e.elementOffset||0,s=n*r+i*t.bytesPerElement+(t.offset||0);return{...e,offset:s,stride:r}}function MD(t,e){let r=Rm(t,e);return{high:r,low:{...r,offset:r.offset+t.size*4}}}var ua=class{constructor(e,r,n){this._buffer=null,this.device=e,this.id=r.id||"",this.size=r.size||1;let i=r.logicalType||r.type,s=i==="float64",{defaultValue:o}=r;o=Number.isFinite(o)?[o]:o||new Array(this.size).fill(0);let a;s?a="float32":!i&&r.isIndexed?a="uint32":a=i||"float32";let c=oE(i||a);this.doublePrecision=s,s&&r.fp64===!1&&(c=Float32Array),this.value=null,this.settings={...r,defaultType:c,defaultValue:o,logicalType:i,type:a,normalized:a.includes("norm"),size:this.size,bytesPerElement:c.BYTES_PER_ELEMENT},this.state={...n,externalBuffer:null,bufferAccessor:this.settings,allocatedValue:null,numInstances:0,bounds:null,constant:!1}}get isConstant(){return this.state.constant}get buffer(){return this._buffer}get byteOffset(){let e=this.getAccessor();return e.vertexOffset?e.vertexOffset*gt(e):0}get numInstances(){return this.state.numInstances}set numInstances(e){this.state.numInstances=e}get isDoublePrecisionBuffer(){return this._shouldSplitDoublePrecisionValue(this.value)}delete(){this._buffer&&(this._buffer.delete(),this._buffer=null),ur.release(this.state.allocatedValue),this.state.allocatedValue=null}getBuffer(){return this.state.constant&&this.device.type!=="webgpu"?null:this.state.externalBuffer||this._buffer}getValue(e=this.id,r=null){let n={};if(this.state.constant){let i=this.value;if(this.device.type==="webgpu"&&this._buffer)n[e]=this._buffer;else if(r){let s=Rm(this.getAccessor(),r),o=s.offset/i.BYTES_PER_ELEMENT,a=s.size||this.size;n[e]=i.subarray(o,o+a)}else n[e]=i}else n[e]=this.getBuffer();return this.doublePrecision&&(this.isDoublePrecisionBuffer?n[`${e}64Low`]=n[e]:n[`${e}64Low`]=new Float32Array(this.size)),n}_getBufferLayout(e=this.id,r=null){let n=this.getAccessor(),i=[],s={name:this.id,byteStride:this.device.type==="webgpu"&&this.state.constant?0:gt(n)};if(this.doublePrecision){let o=MD(n,r||{});i.push(fa(e,{...n,...o.high},this.device.type),fa(`${e}64Low`,{...n,...o.low},this.device.type))}else if(r){let o=Rm(n,r);i.push(fa(e,{...n,...o},this.device.type))}else i.push(fa(e,n,this.device.type));return s.attributes=i.filter(Boolean),s}setAccessor(e){this.state.bufferAccessor=e}getAccessor(){return this.state.bufferAccessor}getBounds(){if(this.state.bounds)return this.state.bounds;let e=null;if(this.state.constant&&this.value){let r=Array.from(this.value);e=[r,r]}else{let{value:r,numInstances:n,size:i}=this,s=n*i;if(r&&s&&r.length>=s){let o=new Array(i).fill(1/0),a=new Array(i).fill(-1/0);for(let c=0;c<s;)for(let l=0;l<i;l++){let f=r[c++];f<o[l]&&(o[l]=f),f>a[l]&&(a[l]=f)}e=[o,a]}}return this.state.bounds=e,e}setData(e){let{state:r}=this,n;ArrayBuffer.isView(e)?n={value:e}:e instanceof U?n={buffer:e}:n=e;let i={...this.settings,...n};if(ArrayBuffer.isView(n.value)){if(!n.type)if(this.doublePrecision&&n.value instanceof Float64Array)i.type="float32";else{let o=aE(n.value);i.type=i.normalized?o.replace("int","norm"):o}i.bytesPerElement=n.value.BYTES_PER_ELEMENT,i.stride=gt(i)}if(r.bounds=null,n.constant){let s=n.value;if(s=this._normalizeValue(s,[],0),this.settings.normalized&&(s=this.normalizeConstant(s)),!(!r.constant||!this._areValuesEqual(s,this.value)))return!1;r.externalBuffer=null,r.constant=!0,this.value=ArrayBuffer.isView(s)?s:new Float32Array(s)}else if(n.buffer){let s=n.buffer;r.externalBuffer=s,r.constant=!1,this.value=n.value||null}else if(n.value){this._checkExternalBuffer(n);let s=n.value,o=s;r.externalBuffer=null,r.constant=!1,this.value=s,this._shouldSplitDoublePrecisionValue(o)&&(o=Fi(o,i),s instanceof Float32Array&&(i.stride=i.size*2*Float32Array.BYTES_PER_ELEMENT));let{buffer:a}=this,c=gt(i),l=(i.vertexOffset||0)*c;if(this.settings.isIndexed){let u=this.settings.defaultType;o.constructor!==u&&(o=new u(o))}let f=o.byteLength+l+c*2;(!a||a.byteLength<f)&&(a=this._createBuffer(f)),a.write(o,l)}return this.setAccessor(i),!0}updateSubBuffer(e={}){this.state.bounds=null;let r=this.value,{startOffset:n=0,endOffset:i}=e,s=this._shouldSplitDoublePrecisionValue(r);this.buffer.write(s?Fi(r,{size:this.size,startIndex:n,endIndex:i}):r.subarray(n,i),n*(s?8:r.BYTES_PER_ELEMENT)+this.byteOffset)}allocate(e,r=!1){let{state:n}=this,i=n.allocatedValue,s=ur.allocate(i,e+1,{size:this.size,type:this.settings.defaultType,copy:r});this.value=s;let o=this._shouldSplitDoublePrecisionValue(s),a=o&&s instanceof Float32Array?{...this.settings,stride:this.size*2*Float32Array.BYTES_PER_ELEMENT}:this.settings;this.setAccessor(a);let{byteOffset:c}=this,{buffer:l}=this,f=s.byteLength*(o&&s instanceof Float32Array?2:1);return(!l||l.byteLength<f+c)&&(l=this._createBuffer(f+c),r&&i&&l.write(this._shouldSplitDoublePrecisionValue(i)?Fi(i,this):i,c)),n.allocatedValue=s,n.constant=!1,n.externalBuffer=null,!0}_shouldSplitDoublePrecisionValue(e){return!!(this.doublePrecision&&(e instanceof Float64Array||this.device.type==="webgpu"&&e instanceof Float32Array))}_checkExternalBuffer(e){let{value:r}=e;if(!ArrayBuffer.isView(r))throw new Error(`Attribute ${this.id} value is not TypedArray`);let n=this.settings.defaultType,i=!1;if(this.doublePrecision&&(i=r.BYTES_PER_ELEMENT<4),i)throw new Error(`Attribute ${this.id} does not support ${r.constructor.name}`);!(r instanceof n)&&this.settings.normalized&&!("normalized"in e)&&D.warn(`Attribute ${this.id} is normalized`)()}normalizeConstant(e){switch(this.settings.type){case"snorm8":return new Float32Array(e).map(r=>(r+128)/255*2-1);case"snorm16":return new Float32Array(e).map(r=>(r+32768)/65535*2-1);case"unorm8":return new Float32Array(e).map(r=>r/255);case"unorm16":return new Float32Array(e).map(r=>r/65535);default:return e}}_normalizeValue(e,r,n){let{defaultValue:i,size:s}=this.settings;if(Number.isFinite(e))return r[n]=e,r;if(!e){let o=s;for(;--o>=0;)r[n+o]=i[o];return r}switch(s){case 4:r[n+3]=Number.isFinite(e[3])?e[3]:i[3];case 3:r[n+2]=Number.isFinite(e[2])?e[2]:i[2];case 2:r[n+1]=Number.isFinite(e[1])?e[1]:i[1];case 1:r[n+0]=Number.isFinite(e[0])?e[0]:i[0];break;default:let o=s;for(;--o>=0;)r[n+o]=Number.isFinite(e[o])?e[o]:i[o]}return r}_areValuesEqual(e,r){if(!e||!r)return!1;let{size:n}=this;for(let i=0;i<n;i++)if(e[i]!==r[i])return!1;return!0}_createBuffer(e){this._buffer&&this._buffer.destroy();let{isIndexed:r,type:n}=this.settings,i=this.device.type==="webgpu"&&!r?U.VERTEX|U.STORAGE|U.COPY_DST|U.COPY_SRC:(r?U.INDEX:U.VERTEX)|U.COPY_DST;return this._buffer=this.device.createBuffer({...this._buffer?.props,id:this.id,usage:i,indexType:r?n:void 0,byteLength:e}),this._buffer}};var lE=[],fE=[];function mr(t,e=0,r=1/0){let n=lE,i={index:-1,data:t,target:[]};return t?typeof t[Symbol.iterator]=="function"?n=t:t.length>0&&(fE.length=t.length,n=fE):n=lE,(e>0||Number.isFinite(r))&&(n=(Array.isArray(n)?n:Array.from(n)).slice(e,r),i.index=e-1),{iterable:n,objectInfo:i}}function bf(t){return t&&t[Symbol.asyncIterator]}function uE(t,e){let{size:r,stride:n,offset:i,startIndices:s,nested:o}=e,a=t.BYTES_PER_ELEMENT,c=n?n/a:r,l=i?i/a:0,f=Math.floor((t.length-l)/c);return(u,{index:d,target:h})=>{if(!s){let y=d*c+l;for(let _=0;_<r;_++)h[_]=t[y+_];return h}let p=s[d],m=s[d+1]||f,g;if(o){g=new Array(m-p);for(let y=p;y<m;y++){let _=y*c+l;h=new Array(r);for(let x=0;x<r;x++)h[x]=t[_+x];g[y-p]=h}}else if(c===r)g=t.subarray(p*r+l,m*r+l);else{g=new t.constructor((m-p)*r);let y=0;for(let _=p;_<m;_++){let x=_*c+l;for(let w=0;w<r;w++)g[y++]=t[x+w]}}return g}}var dE=[],da=[[0,1/0]];function hE(t,e){if(t===da||(e[0]<0&&(e[0]=0),e[0]>=e[1]))return t;let r=[],n=t.length,i=0;for(let s=0;s<n;s++){let o=t[s];o[1]<e[0]?(r.push(o),i=s+1):o[0]>e[1]?r.push(o):e=[Math.min(o[0],e[0]),Math.max(o[1],e[1])]}return r.splice(i,0,e),r}var RD={interpolation:{duration:0,easing:t=>t},spring:{stiffness:.05,damping:.5}};function wf(t,e){if(!t)return null;Number.isFinite(t)&&(t={type:"interpolation",duration:t});let r=t.type||"interpolation";return{...RD[r],...e,...t,type:r}}var Vn=class extends ua{constructor(e,r){super(e,r,{startIndices:null,constantValue:null,lastExternalBuffer:null,binaryValue:null,binaryAccessor:null,needsUpdate:!0,needsRedraw:!1,layoutChanged:!1,updateRanges:da}),this.constant=!1,this.settings.update=r.update||(r.accessor?this._autoUpdater:void 0),Object.seal(this.settings),Object.seal(this.state),this._validateAttributeUpdaters()}get startIndices(){return this.state.startIndices}set startIndices(e){this.state.startIndices=e}needsUpdate(){return this.state.needsUpdate}needsRedraw({clearChangedFlags:e=!1}={}){let r=this.state.needsRedraw;return this.state.needsRedraw=r&&!e,r}layoutChanged(){return this.state.layoutChanged}setAccessor(e){var r;(r=this.state).layoutChanged||(r.layoutChanged=!cE(e,this.getAccessor())),super.setAccessor(e)}getUpdateTriggers(){let{accessor:e}=this.settings;return[this.id].concat(typeof e!="function"&&e||[])}supportsTransition(){return!!this.settings.transition}getTransitionSetting(e){if(!e||!this.supportsTransition())return null;let{accessor:r}=this.settings,n=this.settings.transition,i=Array.isArray(r)?e[r.find(s=>e[s])]:e[r];return wf(i,n)}setNeedsUpdate(e=this.id,r){if(this.state.needsUpdate=this.state.needsUpdate||e,this.setNeedsRedraw(e),r){let{startRow:n=0,endRow:i=1/0}=r;this.state.updateRanges=hE(this.state.updateRanges,[n,i])}else this.state.updateRanges=da}clearNeedsUpdate(){this.state.needsUpdate=!1,this.state.updateRanges=dE}setNeedsRedraw(e=this.id){this.state.needsRedraw=this.state.needsRedraw||e}allocate(e){let{state:r,settings:n}=this;if(n.noAlloc)return!1;if(n.update){let i=this.isConstant;return super.allocate(e,r.updateRanges!==da),r.layoutChanged||(r.layoutChanged=i&&this.device.type==="webgpu"),!0}return!1}updateBuffer({numInstances:e,data:r,props:n,context:i}){if(!this.needsUpdate())return!1;let{state:{updateRanges:s},settings:{update:o,noAlloc:a}}=this,c=!0;if(o){for(let[l,f]of s)o.call(i,this,{data:r,startRow:l,endRow:f,props:n,numInstances:e});if(this.value)if(this.constant||!this.buffer||this.buffer.byteLength<this.value.byteLength+this.byteOffset){if(this.constant){let l=this.value;this.value=null,this.setConstantValue(i,l)}else this.setData({value:this.value,constant:this.constant});this.constant=!1}else for(let[l,f]of s){let u=Number.isFinite(l)?this.getVertexOffset(l):0,d=Number.isFinite(f)?this.getVertexOffset(f):a||!Number.isFinite(e)?this.value.length:e*this.size;super.updateSubBuffer({startOffset:u,endOffset:d})}this._checkAttributeArray()}else c=!1;return this.clearNeedsUpdate(),this.setNeedsRedraw(),c}setConstantValue(e,r){var n;if(r===void 0||typeof r=="function")return!1;let i=this.isConstant,s=this.settings.transform&&e?this.settings.transform.call(e,r):r,o=this.settings.defaultType;this.state.constantValue=this._normalizeValue(s,new o(this.size),0);let a=this.setData({constant:!0,value:s});if(this.device.type==="webgpu"){let c=this.state.constantValue;this.doublePrecision&&(c instanceof Float32Array||c instanceof Float64Array)&&(c=Fi(c,{size:this.size}),this.setAccessor({...this.getAccessor(),stride:this.size*2*Float32Array.BYTES_PER_ELEMENT}));let l=this._buffer;(!l||l.byteLength<c.byteLength)&&(l=this._createBuffer(c.byteLength)),l.write(c),(n=this.state).layoutChanged||(n.layoutChanged=!i),this.constant=!1}return a&&this.setNeedsRedraw(),this.clearNeedsUpdate(),!0}getConstantValue(){return this.isConstant?this.state.constantValue:null}setExternalBuffer(e){let{state:r}=this;return e?(this.clearNeedsUpdate(),r.lastExternalBuffer===e||(r.lastExternalBuffer=e,this.setNeedsRedraw(),this.setData(e)),!0):(r.lastExternalBuffer=null,!1)}setBinaryValue(e,r=null){let{state:n,settings:i}=this;if(!e)return n.binaryValue=null,n.binaryAccessor=null,!1;if(i.noAlloc)return!1;if(n.binaryValue===e)return this.clearNeedsUpdate(),!0;if(n.binaryValue=e,this.setNeedsRedraw(),i.transform||r!==this.startIndices){ArrayBuffer.isView(e)&&(e={value:e});let o=e;X(ArrayBuffer.isView(o.value),`invalid ${i.accessor}`);let a=!!o.size&&o.size!==this.size;return n.binaryAccessor=uE(o.value,{size:o.size||this.size,stride:o.stride,offset:o.offset,startIndices:r,nested:a}),!1}return this.clearNeedsUpdate(),this.setData(e),!0}getVertexOffset(e){let{startIndices:r}=this;return(r?e<r.length?r[e]:this.numInstances:e)*this.size}getValue(){let e=this.settings.shaderAttributes,r=super.getValue();if(!e)return r;for(let n in e)Object.assign(r,super.getValue(n,e[n]));return r}getBufferLayout(e){this.state.layoutChanged=!1;let r=this.settings.shaderAttributes,n=super._getBufferLayout(),{stepMode:i}=this.settings;if(i==="dynamic"?n.stepMode=e?e.isInstanced?"instance":"vertex":"instance":n.stepMode=i??"vertex",!r)return n;for(let s in r){let o=super._getBufferLayout(s,r[s]);n.attributes.push(...o.attributes)}return n}_autoUpdater(e,{data:r,startRow:n,endRow:i,props:s,numInstances:o}){let{settings:a,state:c,value:l,size:f,startIndices:u}=e,{accessor:d,transform:h}=a,p=c.binaryAccessor||(typeof d=="function"?d:s[d]);X(typeof p=="function",`accessor "${d}" is not a function`);let m=e.getVertexOffset(n),{iterable:g,objectInfo:y}=mr(r,n,i);for(let _ of g){y.index++;let x=p(_,y);if(h&&(x=h.call(this,x)),u){let w=(y.index<u.length-1?u[y.index+1]:o)-u[y.index];if(x&&Array.isArray(x[0])){let v=m;for(let S of x)e._normalizeValue(S,l,v),v+=f}else x&&x.length>f?l.set(x,m):(e._normalizeValue(x,y.target,0),vv({target:l,source:y.target,start:m,count:w}));m+=w*f}else e._normalizeValue(x,l,m),m+=f}}_validateAttributeUpdaters(){let{settings:e}=this;if(!(e.noAlloc||typeof e.update=="function"))throw new Error(`Attribute ${this.id} missing update or accessor`)}_checkAttributeArray(){let{value:e}=this,r=Math.min(4,this.size);if(e&&e.length>=r){let n=!0;switch(r){case 4:n=n&&Number.isFinite(e[3]);case 3:n=n&&Number.isFinite(e[2]);case 2:n=n&&Number.isFinite(e[1]);case 1:n=n&&Number.isFinite(e[0]);break;default:n=!1}if(!n)throw new Error(`Illegal attribute generated for ${this.id}`)}}};_r();Fm();_r();var pa=class t{gpuDataEvaluators;format;length;id;_gpuVector;_ownsGPUDataEvaluators;_destroyed=!1;static fromGPUVector(e){if(e.bufferLayout)throw new Error(`GPUVectorEvaluator.fromGPUVector() does not accept interleaved vector "${e.name}"`);if(e.data.length===0)throw new Error(`GPUVectorEvaluator.fromGPUVector() requires GPUData for "${e.name}"`);return new t({id:e.name,gpuDataEvaluators:e.data.map(r=>K.fromGPUData(r,{id:e.name})),gpuVector:e,format:e.format})}static fromGPUDataEvaluators(e,r={}){return new t({id:r.id,gpuDataEvaluators:e,format:r.format})}constructor({id:e,gpuDataEvaluators:r,gpuVector:n,format:i}){if(r.length===0)throw new Error("GPUVectorEvaluator requires at least one GPUData evaluator");jD(r),this.id=e,this.gpuDataEvaluators=r,this.format=i??r[0].format,this.length=r.reduce((s,o)=>s+o.length,0),this._gpuVector=n,this._ownsGPUDataEvaluators=!n}get evaluated(){return!!this._gpuVector}get gpuVector(){if(!this._gpuVector)throw new Error(`${this} not evaluated`);return this._gpuVector}mapGPUData(e){return t.fromGPUDataEvaluators(this.gpuDataEvaluators.map((r,n)=>e(r,n)),{id:this.id})}async evaluate(e,r={}){if(this._destroyed)throw new Error(`GPUVectorEvaluator ${this} already destroyed`);if(this._gpuVector)return this._gpuVector;let n=await Promise.all(this.gpuDataEvaluators.map(a=>a.evaluate(e,r))),i=n[0],s=n.map(PE),o=r.format??this.format??i.format;return this._gpuVector=new rr({type:"data",name:r.name??this.id??"vector",format:o,data:s,stride:i.stride,byteStride:i.byteStride,rowByteLength:i.rowByteLength,bufferLayout:i.bufferLayout}),this._gpuVector}evaluateSync(e,r={}){if(this._destroyed)throw new Error(`GPUVectorEvaluator ${this} already destroyed`);if(this._gpuVector)return this._gpuVector;let n=this.gpuDataEvaluators.map(a=>a.evaluateSync(e,r)),i=n[0],s=n.map(PE),o=r.format??this.format??i.format;return this._gpuVector=new rr({type:"data",name:r.name??this.id??"vector",format:o,data:s,stride:i.stride,byteStride:i.byteStride,rowByteLength:i.rowByteLength,bufferLayout:i.bufferLayout}),this._gpuVector}destroy(){if(this._ownsGPUDataEvaluators)for(let e of this.gpuDataEvaluators)e.destroy();this._gpuVector=void 0,this._destroyed=!0}toString(){return this.id??this.constructor.name}};function jD(t){let e=t[0];for(let r of t.slice(1))if(r.type!==e.type||r.size!==e.size||r.normalized!==e.normalized||r.format!==e.format)throw new Error("GPUVectorEvaluator requires matching GPUData evaluator layouts")}function PE(t){let[e,...r]=t.data;if(!e||r.length>0)throw new Error(`GPUVectorEvaluator requires one GPUData chunk for "${t.name}"`);return e}_r();N();var Gm={};ir(Gm,{arithmetic:()=>TE,dot:()=>RE,equalAll:()=>kE,extent:()=>LE,fround:()=>CE,gather:()=>ME,interleave:()=>IE,length:()=>OE,segmentedMap:()=>BE,select:()=>DE,sequence:()=>NE,swizzle:()=>FE});Cf();function ts({elementWise:t,func:e,inputs:r,output:n,outputBuffer:i}){let s=Array.isArray(r)?r:Object.values(r);for(let p of s)if(!p.value)throw new Error(`${p} does not have CPU value`);let o=n.length,a=n.size,c=new n.ValueType(o*a);for(let p=0;p<o;p++){let m=s.map(g=>ue(g,p));if(t)for(let g=0;g<a;g++)c[p*a+g]=e.apply(null,m.map(y=>y[g]));else e.call(null,c.subarray(p*a,p*a+a),...m)}let l=n.ValueType.BYTES_PER_ELEMENT,f=n.offset/l,u=n.stride/l,d=a,h=c;if(f!==0||u!==d){h=new n.ValueType(f+n.byteLength/l);for(let p=0;p<o;p++){let m=p*d,g=f+p*u,y=c.subarray(m,m+a);h.set(y,g),i.write(y,g*l)}}else i.write(c);return{success:!0,value:h}}function ue(t,e){let r=t.value,n=t.size,i=t.offset/t.ValueType.BYTES_PER_ELEMENT,s=t.stride/t.ValueType.BYTES_PER_ELEMENT,o=t.isConstant?0:e,a=i+o*s,c=r.slice(a,a+n);if(!t.normalized)return c;let l=new Float32Array(n);for(let f=0;f<n;f++)l[f]=HD(c[f],t.type);return l}function HD(t,e){switch(e){case"uint8":return t/255;case"uint16":return t/65535;case"uint32":return t/4294967295;case"sint8":return Math.max(t/127,-1);case"sint16":return Math.max(t/32767,-1);case"sint32":return Math.max(t/2147483647,-1);case"float32":return t;default:throw new Error(`Unsupported normalized source type ${e}`)}}var TE=({inputs:t,output:e,target:r})=>{for(let i of Object.values(t.namedInputs))if(!i.value)throw new Error(`${i} does not have CPU value`);let n=new e.ValueType(e.length*e.size);for(let i=0;i<e.length;i++){let s=Object.fromEntries(Object.entries(t.namedInputs).map(([o,a])=>[o,ue(a,i)]));for(let o=0;o<e.size;o++)n[i*e.size+o]=AE(t.expression,s,o)}return r.write(n),{success:!0,value:n}};function AE(t,e,r){switch(t.kind){case"input":{let n=e[t.name];return r<n.length?n[r]:n.length===1?n[0]:0}case"literal":return Array.isArray(t.value)?t.value[r]??0:t.value;case"call":{YD(t.op,t.args.length);let n=t.args.map(i=>AE(i,e,r));switch(t.op){case"add":return n[0]+n[1];case"subtract":return n[0]-n[1];case"multiply":return n[0]*n[1];case"divide":return n[0]/n[1];case"pow":return Math.pow(n[0],n[1]);case"sqrt":return Math.sqrt(n[0]);case"abs":return Math.abs(n[0]);case"sin":return Math.sin(n[0]);case"cos":return Math.cos(n[0]);case"tan":return Math.tan(n[0]);case"exp":return Math.exp(n[0]);case"log":return Math.log(n[0]);default:{let i=t.op;throw new Error(`Unsupported arithmetic op ${i}`)}}}default:{let n=t;throw new Error(`Unsupported expression node ${n.kind}`)}}}function YD(t,e){let r=es[t].arity;if(e!==r)throw new Error(`Arithmetic op '${t}' expects ${r} args, got ${e}`)}var LE=({inputs:t,output:e,target:r})=>{let{sourceValues:n}=t;if(!n.value)throw new Error(`${n} does not have CPU value`);let s=new e.ValueType(e.length*e.size);if(n.length===0)return{success:!1,error:new Error(`${n} is empty`)};for(let o=0;o<n.size;o++){let a=ue(n,0)[o],c=o*e.size,l=c+1;s[c]=a,s[l]=a;for(let f=1;f<n.length;f++){let u=ue(n,f)[o];u<s[c]&&(s[c]=u),u>s[l]&&(s[l]=u)}}return r.write(s),{success:!0,value:s}};var CE=({inputs:t,output:e,target:r})=>ts({func:(n,i)=>{let s=n.length/2,o=new Float64Array(i.buffer);for(let a=0;a<s;a++){let c=o[a];n[a]=Math.fround(c),n[a+s]=c-n[a]}return n},inputs:t,output:e,outputBuffer:r});var ME=async({inputs:t,output:e,target:r})=>{let{ids:n,sourceValues:i}=t,s=n.value,o=i.value;if(!s)throw new Error(`${n} does not have CPU value`);if(!o)throw new Error(`${i} does not have CPU value`);let a=new e.ValueType(e.length*e.size),c=new Array(e.size).fill(0);for(let l=0;l<e.length;l++){let f=ue(n,l),u=Number(f[0]),d=qD(u,i.length)?ue(i,u):c;a.set(d,l*e.size)}return r.write(a),{success:!0,value:a}};function qD(t,e){return Number.isInteger(t)&&t>=0&&t<e}var IE=({inputs:t,output:e,target:r})=>ts({func:(n,...i)=>{let s=0;for(let o of i)n.set(o,s),s+=o.length},inputs:t,output:e,outputBuffer:r});var RE=({inputs:t,output:e,target:r})=>{let{x:n,y:i}=t,s=new e.ValueType(e.length);for(let o=0;o<e.length;o++){let a=ue(n,o),c=ue(i,o),l=0;for(let f=0;f<n.size;f++)l+=a[f]*c[f];s[o]=l}return r.write(s),{success:!0,value:s}};var kE=({inputs:t,output:e,target:r})=>{let{x:n,y:i}=t,s=new e.ValueType(e.length);for(let o=0;o<e.length;o++){let a=ue(n,o),c=ue(i,o),l=1;for(let f=0;f<n.size;f++)if(a[f]!==c[f]){l=0;break}s[o]=l}return r.write(s),{success:!0,value:s}};var OE=({inputs:t,output:e,target:r})=>{let{x:n}=t,i=new e.ValueType(e.length);for(let s=0;s<e.length;s++){let o=ue(n,s),a=0;for(let c=0;c<n.size;c++)a+=o[c]*o[c];i[s]=Math.sqrt(a)}return r.write(i),{success:!0,value:i}};var BE=async({inputs:t,output:e,target:r})=>{let{segments:n,vertexCount:i}=t,s=n.value;if(!s)throw new Error(`${n} does not have CPU value`);XD(s,n,i);let o=new e.ValueType(e.length*e.size),a=0;for(let c=0;c<i;c++){for(;a+1<n.length&&s[Um(n,a+1)]<=c;)a++;let l=s[Um(n,a)],f=c*e.size;o[f]=a,o[f+1]=c-l}return r.write(o),{success:!0,value:o}};function XD(t,e,r){if(e.length<1)throw new Error("segmentedMap segments must contain at least one segment start");let n=0;for(let i=0;i<e.length;i++){let s=t[Um(e,i)];if(i===0&&s!==0)throw new Error(`segmentedMap segments must start at 0, got ${s}`);if(i>0&&s<n)throw new Error(`segmentedMap segments must be non-decreasing, got ${s} after ${n}`);n=s}if(n>r)throw new Error(`segmentedMap last segment start must be <= vertexCount, got ${n} > ${r}`)}function Um(t,e){return t.offset/t.ValueType.BYTES_PER_ELEMENT+e*(t.stride/t.ValueType.BYTES_PER_ELEMENT)}var DE=async({inputs:t,output:e,target:r})=>{let{condition:n,whenTrue:i,whenFalse:s}=t,o=new e.ValueType(e.length*e.size);for(let a=0;a<e.length;a++){let c=ue(n,a),l=ue(i,a),f=ue(s,a);for(let u=0;u<e.size;u++){let d=$m(c,n.size,u);o[a*e.size+u]=d!==0?$m(l,i.size,u):$m(f,s.size,u)}}return r.write(o),{success:!0,value:o}};function $m(t,e,r){return r<e?t[r]:e===1?t[0]:0}var NE=({inputs:t,output:e,target:r})=>{let n=new e.ValueType(e.length);for(let i=0;i<e.length;i++)n[i]=t.start+i*t.step;return r.write(n),{success:!0,value:n}};var FE=({inputs:t,output:e,target:r})=>{let{columns:n}=t;return ts({func:(i,s)=>{for(let o=0;o<n.length;o++)i[o]=s[n[o]]},inputs:{x:t.x},output:e,outputBuffer:r})};var tg=class{_modules={cpu:Gm};add(e,r){let n=this._modules[e];if(typeof r.then=="function"){let s=Promise.all([Promise.resolve(n||{}),r]).then(([o,a])=>({...o,...a}));return this._modules[e]=s,s.then(o=>{this._modules[e]=o}).catch(o=>{P.error(`Failed to register ${e} backend: ${o}`)()}),s}if(n&&typeof n.then=="function"){let s=Promise.resolve(n).then(o=>({...o,...r})).then(o=>(this._modules[e]=o,o)).catch(o=>{throw P.error(`Failed to register ${e} backend: ${o}`)(),o});return this._modules[e]=s,s}let i={...n||{},...r};return this._modules[e]=i,Promise.resolve(i)}async get(e,r){let n=this._modules[e];if(!n)if(e==="webgl")n=this.add("webgl",Promise.resolve().then(()=>(p1(),h1)));else if(e==="webgpu")n=this.add("webgpu",Promise.resolve().then(()=>(eg(),U1)));else throw new Error(`${e} backend not registered`);let s=(await n)[r];if(typeof s!="function")throw new Error(`${e} backend does not implement ${r}`);return s}getSync(e,r){let n=this._modules[e];if(!n)throw new Error(`${e} backend not registered`);if(typeof n.then=="function")throw new Error(`${e} backend is not loaded yet`);let s=n[r];if(typeof s!="function")throw new Error(`${e} backend does not implement ${r}`);return s}clear(){this._modules={}}},as=new tg;var Ff=class{inputs;dependencies;constructor(e){this.inputs=e,this.dependencies=Array.from(e instanceof Array?e:Object.values(e)).filter(r=>r instanceof K)}async execute(e,r){return await this._resolveDependencies(e),await this._executeWithHandler(await as.get(this._getHandlerRegistry(e),this.name),r)}executeSync(e,r){this._resolveDependenciesSync(e);let n=this._executeWithHandler(as.getSync(this._getHandlerRegistry(e),this.name),r);if(U6(n))throw new Error(`${this.name} returned a Promise in executeSync()`);return n}shouldExecuteOnCPU(){return this.output.length<=1&&Array.from(this.dependencies).every(e=>!!e.value)}_getHandlerRegistry(e){return this.shouldExecuteOnCPU()?"cpu":e.type}async _resolveDependencies(e){for(let n of this.dependencies)await n.evaluate(e);if(this._getHandlerRegistry(e)==="cpu"||e.type==="null")for(let n of this.dependencies)await n.ensureCPUValue()}_resolveDependenciesSync(e){for(let n of this.dependencies)n.evaluateSync(e);if(this._getHandlerRegistry(e)==="cpu"||e.type==="null")for(let n of this.dependencies)n.ensureCPUValueSync()}_executeWithHandler(e,r){return e({device:r.device,inputs:this.inputs,output:this.output,target:r})}};function U6(t){return typeof t?.then=="function"}function $1(...t){let e=$6(t.map(r=>r.type));return e[0]!=="f"&&t.some(r=>r.normalized)&&(e="float32"),{isConstant:t.every(r=>r.isConstant),type:e,size:t.reduce((r,n)=>Math.max(r,n.size),0),length:t.reduce((r,n)=>Math.max(r,n.length),0)}}function $6(t){let e=0,r=0;for(let n of t){if(n[0]==="f")return"float32";let i=n.endsWith("8")?8:n.endsWith("6")?16:32;n[0]==="u"?e=Math.max(e,i):r=Math.max(r,i)}return e&&!r?`uint${e}`:r&&e<32?`sint${Math.max(r,e*2)}`:"float32"}_r();var rg=class extends Ff{name="interleave";output;constructor(e){super(e);let{isConstant:r,type:n,length:i}=$1(...e);this.output=new K({isConstant:r,type:n,size:e.reduce((s,o)=>s+o.size,0),length:i,source:this})}toString(){return`_${this.inputs.join("_")}_`}};function ng(...t){if(t.length===0)throw new Error("interleave() requires at least one input");return t.length===1?Lf(t[0]):new rg(t.map(Lf)).output}oe();_r();function sg(t,e){let r=V6(e);for(let n of r)n.evaluateSync(t);return G6(r),e}function G6(t){let e=new Set(t.flatMap(j6)),r=new Set;for(let n of t)zf(n,r);for(let n of r)n.evaluated&&!e.has(n.buffer)&&n.destroy()}function V6(t){let e=new Set;return ig(t,e,new Set),Array.from(e)}function ig(t,e,r){if(H6(t)){e.add(t);return}if(!(!t||typeof t!="object"||r.has(t))){if(r.add(t),Array.isArray(t)){for(let n of t)ig(n,e,r);return}if(W6(t))for(let n of Object.values(t))ig(n,e,r)}}function W6(t){let e=Object.getPrototypeOf(t);return e===Object.prototype||e===null}function zf(t,e){if(t instanceof pa){for(let n of t.gpuDataEvaluators)zf(n,e);return}let r=t.source;if(r){if(r instanceof K){e.has(r)||(e.add(r),zf(r,e));return}for(let n of r.dependencies)e.has(n)||(e.add(n),zf(n,e))}}function j6(t){return t instanceof K?[t.buffer]:t.gpuVector.data.map(e=>e.buffer instanceof Te?e.buffer.buffer:e.buffer)}function H6(t){return t instanceof K||t instanceof pa}eg();var ga=class{constructor(e,{id:r,isTransitionAttribute:n}){this.packedBuffers={},this.device=e,this.id=r,this.isTransitionAttribute=n,this.device.type==="webgpu"&&as.add("webgpu",{interleave:Nf})}hasGroups(e){return this.device.type==="webgpu"&&Object.values(e).some(r=>!!r.settings.bufferGroup)}finalize(){for(let e of Object.values(this.packedBuffers))e.packed.destroy();this.packedBuffers={}}getBufferLayouts(e,r){let n=this._getPackedGroups(e,r,{requireValues:!1,excludeAttributes:{}});return this._getBufferLayouts(e,n,r)}getBindings(e,r,n,i){let s=this._getPackedGroups(e,n,{requireValues:!0,excludeAttributes:i}),o={},a=new Set;for(let c of s.values()){let l=!this.packedBuffers[c.id]||c.attributes.some(f=>!!r[f.id]);o[c.id]=this._getPackedBuffer(c,l);for(let f of c.attributes)a.add(f.id)}return{bufferLayouts:this._getBufferLayouts(e,s,n).filter(c=>!i[c.name]&&!e[c.name]?.settings.isIndexed),buffers:o,groupedAttributeIds:a}}_getPackedGroups(e,r,{requireValues:n,excludeAttributes:i}){let s=new Map;for(let a of Object.values(e)){let c=a.settings.bufferGroup;if(!c)continue;let l=s.get(c)||[];l.push(a),s.set(c,l)}let o=new Map;for(let[a,c]of s){let l=this._getPackedGroup(a,c,r,n,i);l&&o.set(a,l)}return o}_getPackedGroup(e,r,n,i,s){if(r.length<2)return null;let o=r.map(h=>h.getBufferLayout(n)),a=o[0].stepMode,c=Math.max(1,r[0].numInstances),l=i&&r.every(h=>h.isConstant);for(let h=0;h<r.length;h++){let p=r[h],m=p.getAccessor(),g=m.size*m.bytesPerElement;if(s[p.id]||p.settings.isIndexed||p.settings.noAlloc||p.doublePrecision||this.isTransitionAttribute(p.id)||o[h].stepMode!==a||p.numInstances!==r[0].numInstances||(m.offset||0)!==0||(m.vertexOffset||0)!==0||gt(m)!==g||i&&(p.isConstant?!p.getConstantValue()||p.getConstantValue().byteLength<g:!ArrayBuffer.isView(p.value)||p.value.byteLength<c*g))return null}let f={},u=[],d=0;for(let h=0;h<r.length;h++){let p=r[h];d=G1(d),f[p.id]=d;for(let m of o[h].attributes||[])u.push({...m,byteOffset:d+(m.byteOffset||0)});d+=gt(p.getAccessor())}return d=G1(d),{id:e,attributes:r,byteStride:d,byteOffsets:f,rowCount:c,layout:{name:e,byteStride:l?0:d,stepMode:a,attributes:u}}}_getBufferLayouts(e,r,n){let i=[],s=new Set,o=new Set;for(let a of r.values())for(let c of a.attributes)o.add(c.id);for(let a of Object.values(e)){let c=a.settings.bufferGroup,l=c&&r.get(c);l&&o.has(a.id)?s.has(l.id)||(i.push(l.layout),s.add(l.id)):i.push(a.getBufferLayout(n))}return i}_getPackedBuffer(e,r){let n=JSON.stringify({byteStride:e.layout.byteStride,attributes:e.layout.attributes}),i=this.packedBuffers[e.id];if((!i||i.layoutKey!==n)&&(r=!0),r){i&&(i.packed.destroy(),delete this.packedBuffers[e.id]);let s=this._interleavePackedGroup(e);return this.packedBuffers[e.id]={packed:s,layoutKey:n},s.buffer}if(!i)throw new Error(`Attribute buffer group ${e.id} has no packed buffer`);return i.packed.buffer}_interleavePackedGroup(e){let r=e.attributes.map(i=>this._getInterleaveInput(e,i)),n=ng(...r);return sg(this.device,n),n}_getInterleaveInput(e,r){let n=gt(r.getAccessor()),i=e.byteOffsets[r.id];if(ma(`${e.id}.${r.id} rowByteLength`,n),ma(`${e.id}.${r.id} groupByteOffset`,i),r.isConstant){let c=r.getConstantValue();if(!c)throw new Error(`Attribute group ${e.id} is missing constant value ${r.id}`);return ma(`${e.id}.${r.id} constant byteOffset`,c.byteOffset),new K({id:r.id,type:"uint32",size:n/4,isConstant:!0,value:new Uint32Array(c.buffer,c.byteOffset,n/Uint32Array.BYTES_PER_ELEMENT)})}let s=r.getBuffer(),o=r.byteOffset,a=r.getAccessor().stride||n;if(ma(`${e.id}.${r.id} byteOffset`,o),ma(`${e.id}.${r.id} stride`,a),!s)throw new Error(`Attribute group ${e.id} cannot interleave missing buffer ${r.id}`);return new K({id:r.id,type:"uint32",size:n/4,offset:o,stride:a,length:e.rowCount,buffer:s})}};function G1(t){return Math.ceil(t/4)*4}function ma(t,e){if(e%4!==0)throw new Error(`Attribute buffer groups require 32-bit alignment: ${t}=${e}`)}oe();je();function og(t){let{source:e,target:r,start:n=0,size:i,getData:s}=t,o=t.end||r.length,a=e.length,c=o-n;if(a>c){r.set(e.subarray(0,c),n);return}if(r.set(e,n),!s)return;let l=a;for(;l<c;){let f=s(l,e);for(let u=0;u<i;u++)r[n+l]=f[u]||0,l++}}function V1({source:t,target:e,size:r,getData:n,sourceStartIndices:i,targetStartIndices:s}){if(!i||!s)return og({source:t,target:e,size:r,getData:n}),e;let o=0,a=0,c=n&&((f,u)=>n(f+a,u)),l=Math.min(i.length,s.length);for(let f=1;f<l;f++){let u=i[f]*r,d=s[f]*r;og({source:t.subarray(o,u),target:e,start:a,end:d,size:r,getData:c}),o=u,a=d}return a<e.length&&og({source:[],target:e,start:a,size:r,getData:c}),e}function W1(t){let{device:e,settings:r,value:n}=t,i=new Vn(e,r);return i.setData({value:n instanceof Float64Array?new Float64Array(0):new Float32Array(0),normalized:r.normalized}),i}function Uf(t){switch(t){case 1:return"float";case 2:return"vec2";case 3:return"vec3";case 4:return"vec4";default:throw new Error(`No defined attribute type for size "${t}"`)}}function $f(t){switch(t){case 1:return"float32";case 2:return"float32x2";case 3:return"float32x3";case 4:return"float32x4";default:throw new Error("invalid type size")}}function Gf(t){t.push(t.shift())}function j1(t,e){let{settings:r,value:n,size:i}=t,s=t.isDoublePrecisionBuffer?2:1,o=0,{shaderAttributes:a}=t.settings;if(a)for(let c of Object.values(a))o=Math.max(o,c.vertexOffset??0);return(r.noAlloc?n.length:(e+o)*i)*s}function Vf({device:t,source:e,target:r}){return(!r||r.byteLength<e.byteLength)&&(r?.destroy(),r=t.createBuffer({byteLength:e.byteLength,usage:e.usage})),r}function Wf({device:t,buffer:e,attribute:r,fromLength:n,toLength:i,fromStartIndices:s,getData:o=a=>a}){let a=r.isDoublePrecisionBuffer?2:1,c=r.size*a,l=r.byteOffset,f=r.settings.bytesPerElement<4?l/r.settings.bytesPerElement*4:l,u=r.startIndices,d=s&&u,h=r.isConstant;if(!d&&e&&n>=i)return e;let p=r.value instanceof Float64Array?Float32Array:r.value.constructor,m=h?r.value:new p(r.getBuffer().readSyncWebGL(l,i*p.BYTES_PER_ELEMENT).buffer);if(r.settings.normalized&&!h){let x=o;o=(w,v)=>r.normalizeConstant(x(w,v))}let g=h?(x,w)=>o(m,w):(x,w)=>o(m.subarray(x+l,x+l+c),w),y=e?new Float32Array(e.readSyncWebGL(f,n*4).buffer):new Float32Array(0),_=new Float32Array(i);return V1({source:y,target:_,sourceStartIndices:s,targetStartIndices:u,size:c,getData:g}),(!e||e.byteLength<_.byteLength+f)&&(e?.destroy(),e=t.createBuffer({byteLength:_.byteLength+f,usage:35050})),e.write(_,f),e}var cs=class{constructor({device:e,attribute:r,timeline:n}){this.buffers=[],this.currentLength=0,this.device=e,this.transition=new Pt(n),this.attribute=r,this.attributeInTransition=W1(r),this.currentStartIndices=r.startIndices}get inProgress(){return this.transition.inProgress}start(e,r,n=1/0){this.settings=e,this.currentStartIndices=this.attribute.startIndices,this.currentLength=j1(this.attribute,r),this.transition.start({...e,duration:n})}update(){let e=this.transition.update();return e&&this.onUpdate(),e}setBuffer(e){let{stride:r}=this.attributeInTransition.getAccessor();this.attributeInTransition.setData({buffer:e,normalized:this.attribute.settings.normalized,value:this.attributeInTransition.value,stride:r})}cancel(){this.transition.cancel()}delete(){this.cancel();for(let e of this.buffers)e.destroy();this.buffers.length=0}};var ya=class extends cs{constructor({device:e,attribute:r,timeline:n}){super({device:e,attribute:r,timeline:n}),this.type="interpolation",this.transform=Z6(e,r)}start(e,r){let n=this.currentLength,i=this.currentStartIndices;if(super.start(e,r,e.duration),e.duration<=0){this.transition.cancel();return}let{buffers:s,attribute:o}=this;Gf(s),s[0]=Wf({device:this.device,buffer:s[0],attribute:o,fromLength:n,toLength:this.currentLength,fromStartIndices:i,getData:e.enter}),s[1]=Vf({device:this.device,source:s[0],target:s[1]}),this.setBuffer(s[1]);let{transform:a}=this,c=a.model,l=Math.floor(this.currentLength/o.size);Y1(o)&&(l/=2),c.setVertexCount(l),o.isConstant?(c.setAttributes({aFrom:s[0]}),c.setConstantAttributes({aTo:o.value})):c.setAttributes({aFrom:s[0],aTo:o.getBuffer()}),a.transformFeedback.setBuffers({vCurrent:s[1]})}onUpdate(){let{duration:e,easing:r}=this.settings,{time:n}=this.transition,i=n/e;r&&(i=r(i));let{model:s}=this.transform,o={time:i};s.shaderInputs.setProps({interpolation:o}),this.transform.run({discard:!0})}delete(){super.delete(),this.transform.destroy()}},Y6=`layout(std140) uniform interpolationUniforms {
  float time;
} interpolation;
`,H1={name:"interpolation",vs:Y6,uniformTypes:{time:"f32"}},q6=`#version 300 es
#define SHADER_NAME interpolation-transition-vertex-shader

in ATTRIBUTE_TYPE aFrom;
in ATTRIBUTE_TYPE aTo;
out ATTRIBUTE_TYPE vCurrent;

void main(void) {
  vCurrent = mix(aFrom, aTo, interpolation.time);
  gl_Position = vec4(0.0);
}
`,X6=`#version 300 es
#define SHADER_NAME interpolation-transition-vertex-shader

in ATTRIBUTE_TYPE aFrom;
in ATTRIBUTE_TYPE aFrom64Low;
in ATTRIBUTE_TYPE aTo;
in ATTRIBUTE_TYPE aTo64Low;
out ATTRIBUTE_TYPE vCurrent;
out ATTRIBUTE_TYPE vCurrent64Low;

vec2 mix_fp64(vec2 a, vec2 b, float x) {
  vec2 range = sub_fp64(b, a);
  return sum_fp64(a, mul_fp64(range, vec2(x, 0.0)));
}

void main(void) {
  for (int i=0; i<ATTRIBUTE_SIZE; i++) {
    vec2 value = mix_fp64(vec2(aFrom[i], aFrom64Low[i]), vec2(aTo[i], aTo64Low[i]), interpolation.time);
    vCurrent[i] = value.x;
    vCurrent64Low[i] = value.y;
  }
  gl_Position = vec4(0.0);
}
`;function Y1(t){return t.isDoublePrecisionBuffer}function Z6(t,e){let r=e.size,n=Uf(r),i=$f(r),s=e.getBufferLayout();return Y1(e)?new Le(t,{vs:X6,bufferLayout:[{name:"aFrom",byteStride:8*r,attributes:[{attribute:"aFrom",format:i,byteOffset:0},{attribute:"aFrom64Low",format:i,byteOffset:4*r}]},{name:"aTo",byteStride:8*r,attributes:[{attribute:"aTo",format:i,byteOffset:0},{attribute:"aTo64Low",format:i,byteOffset:4*r}]}],modules:[mp,H1],defines:{ATTRIBUTE_TYPE:n,ATTRIBUTE_SIZE:r},moduleSettings:{},varyings:["vCurrent","vCurrent64Low"],bufferMode:35980,disableWarnings:!0}):new Le(t,{vs:q6,bufferLayout:[{name:"aFrom",format:i},{name:"aTo",format:s.attributes[0].format}],modules:[H1],defines:{ATTRIBUTE_TYPE:n},varyings:["vCurrent"],disableWarnings:!0})}oe();var _a=class extends cs{constructor({device:e,attribute:r,timeline:n}){super({device:e,attribute:r,timeline:n}),this.type="spring",this.texture=rN(e),this.framebuffer=nN(e,this.texture),this.transform=tN(e,r)}start(e,r){let n=this.currentLength,i=this.currentStartIndices;super.start(e,r);let{buffers:s,attribute:o}=this;for(let c=0;c<2;c++)s[c]=Wf({device:this.device,buffer:s[c],attribute:o,fromLength:n,toLength:this.currentLength,fromStartIndices:i,getData:e.enter});s[2]=Vf({device:this.device,source:s[0],target:s[2]}),this.setBuffer(s[1]);let{model:a}=this.transform;a.setVertexCount(Math.floor(this.currentLength/o.size)),o.isConstant?a.setConstantAttributes({aTo:o.value}):a.setAttributes({aTo:o.getBuffer()})}onUpdate(){let{buffers:e,transform:r,framebuffer:n,transition:i}=this,s=this.settings;r.model.setAttributes({aPrev:e[0],aCur:e[1]}),r.transformFeedback.setBuffers({vNext:e[2]});let o={stiffness:s.stiffness,damping:s.damping};r.model.shaderInputs.setProps({spring:o}),r.run({framebuffer:n,discard:!1,parameters:{viewport:[0,0,1,1]},clearColor:[0,0,0,0]}),Gf(e),this.setBuffer(e[1]),this.device.readPixelsToArrayWebGL(n)[0]>0||i.end()}delete(){super.delete(),this.transform.destroy(),this.texture.destroy(),this.framebuffer.destroy()}},K6=`layout(std140) uniform springUniforms {
  float damping;
  float stiffness;
} spring;
`,Q6={name:"spring",vs:K6,uniformTypes:{damping:"f32",stiffness:"f32"}},J6=`#version 300 es
#define SHADER_NAME spring-transition-vertex-shader

#define EPSILON 0.00001

in ATTRIBUTE_TYPE aPrev;
in ATTRIBUTE_TYPE aCur;
in ATTRIBUTE_TYPE aTo;
out ATTRIBUTE_TYPE vNext;
out float vIsTransitioningFlag;

ATTRIBUTE_TYPE getNextValue(ATTRIBUTE_TYPE cur, ATTRIBUTE_TYPE prev, ATTRIBUTE_TYPE dest) {
  ATTRIBUTE_TYPE velocity = cur - prev;
  ATTRIBUTE_TYPE delta = dest - cur;
  ATTRIBUTE_TYPE force = delta * spring.stiffness;
  ATTRIBUTE_TYPE resistance = velocity * spring.damping;
  return force - resistance + velocity + cur;
}

void main(void) {
  bool isTransitioning = length(aCur - aPrev) > EPSILON || length(aTo - aCur) > EPSILON;
  vIsTransitioningFlag = isTransitioning ? 1.0 : 0.0;

  vNext = getNextValue(aCur, aPrev, aTo);
  gl_Position = vec4(0, 0, 0, 1);
  gl_PointSize = 100.0;
}
`,eN=`#version 300 es
#define SHADER_NAME spring-transition-is-transitioning-fragment-shader

in float vIsTransitioningFlag;

out vec4 fragColor;

void main(void) {
  if (vIsTransitioningFlag == 0.0) {
    discard;
  }
  fragColor = vec4(1.0);
}`;function tN(t,e){let r=Uf(e.size),n=$f(e.size);return new Le(t,{vs:J6,fs:eN,bufferLayout:[{name:"aPrev",format:n},{name:"aCur",format:n},{name:"aTo",format:e.getBufferLayout().attributes[0].format}],varyings:["vNext"],modules:[Q6],defines:{ATTRIBUTE_TYPE:r},parameters:{depthCompare:"always",blendColorOperation:"max",blendColorSrcFactor:"one",blendColorDstFactor:"one",blendAlphaOperation:"max",blendAlphaSrcFactor:"one",blendAlphaDstFactor:"one"}})}function rN(t){return t.createTexture({data:new Uint8Array(4),format:"rgba8unorm",width:1,height:1})}function nN(t,e){return t.createFramebuffer({id:"spring-transition-is-transitioning-framebuffer",width:1,height:1,colorAttachments:[e]})}var iN={interpolation:ya,spring:_a},xa=class{constructor(e,{id:r,timeline:n}){if(!e)throw new Error("AttributeTransitionManager is constructed without device");this.id=r,this.device=e,this.timeline=n,this.transitions={},this.needsRedraw=!1,this.numInstances=1}finalize(){for(let e in this.transitions)this._removeTransition(e)}update({attributes:e,transitions:r,numInstances:n}){this.numInstances=n||1;for(let i in e){let s=e[i],o=s.getTransitionSetting(r);o&&this._updateAttribute(i,s,o)}for(let i in this.transitions){let s=e[i];(!s||!s.getTransitionSetting(r))&&this._removeTransition(i)}}hasAttribute(e){let r=this.transitions[e];return r&&r.inProgress}getAttributes(){let e={};for(let r in this.transitions){let n=this.transitions[r];n.inProgress&&(e[r]=n.attributeInTransition)}return e}run(){if(this.numInstances===0)return!1;for(let r in this.transitions)this.transitions[r].update()&&(this.needsRedraw=!0);let e=this.needsRedraw;return this.needsRedraw=!1,e}_removeTransition(e){this.transitions[e].delete(),delete this.transitions[e]}_updateAttribute(e,r,n){let i=this.transitions[e],s=!i||i.type!==n.type;if(s){i&&this._removeTransition(e);let o=iN[n.type];o?this.transitions[e]=new o({attribute:r,timeline:this.timeline,device:this.device}):(D.error(`unsupported transition type '${n.type}'`)(),s=!1)}(s||r.needsRedraw())&&(this.needsRedraw=!0,this.transitions[e].start(n,this.numInstances))}};var q1="attributeManager.invalidate",sN="attributeManager.updateStart",oN="attributeManager.updateEnd",aN="attribute.updateStart",cN="attribute.allocate",lN="attribute.updateEnd",ba=class{constructor(e,{id:r="attribute-manager",stats:n,timeline:i}={}){this.mergeBoundsMemoized=Wt(Fw),this.id=r,this.device=e,this.attributes={},this.updateTriggers={},this.needsRedraw=!0,this.userData={},this.stats=n,this.attributeTransitionManager=new xa(e,{id:`${r}-transitions`,timeline:i}),this.attributeBufferGroups=e.type==="webgpu"?new ga(e,{id:r,isTransitionAttribute:s=>this.attributeTransitionManager.hasAttribute(s)}):null,Object.seal(this)}finalize(){this.attributeBufferGroups?.finalize();for(let e in this.attributes)this.attributes[e].delete();this.attributeTransitionManager.finalize()}getNeedsRedraw(e={clearRedrawFlags:!1}){let r=this.needsRedraw;return this.needsRedraw=this.needsRedraw&&!e.clearRedrawFlags,r&&this.id}setNeedsRedraw(){this.needsRedraw=!0}add(e){this._add(e)}addInstanced(e){this._add(e,{stepMode:"instance"})}remove(e){for(let r of e)this.attributes[r]!==void 0&&(this.attributes[r].delete(),delete this.attributes[r])}invalidate(e,r){let n=this._invalidateTrigger(e,r);ce(q1,this,e,n)}invalidateAll(e){for(let r in this.attributes)this.attributes[r].setNeedsUpdate(r,e);ce(q1,this,"all")}update({data:e,numInstances:r,startIndices:n=null,transitions:i,props:s={},buffers:o={},context:a={}}){let c=!1;ce(sN,this),this.stats&&this.stats.get("Update Attributes").timeStart();for(let l in this.attributes){let f=this.attributes[l],u=f.settings.accessor;f.startIndices=n,f.numInstances=r,s[l]&&D.removed(`props.${l}`,`data.attributes.${l}`)(),f.setExternalBuffer(o[l])||f.setBinaryValue(typeof u=="string"?o[u]:void 0,e.startIndices)||typeof u=="string"&&!o[u]&&f.setConstantValue(a,s[u])||f.needsUpdate()&&(c=!0,this._updateAttribute({attribute:f,numInstances:r,data:e,props:s,context:a})),this.needsRedraw=this.needsRedraw||f.needsRedraw()}c&&ce(oN,this,r),this.stats&&(this.stats.get("Update Attributes").timeEnd(),c&&this.stats.get("Attributes updated").incrementCount()),this.attributeTransitionManager.update({attributes:this.attributes,numInstances:r,transitions:i})}updateTransition(){let{attributeTransitionManager:e}=this,r=e.run();return this.needsRedraw=this.needsRedraw||r,r}getAttributes(){return{...this.attributes,...this.attributeTransitionManager.getAttributes()}}getBounds(e){let r=e.map(n=>this.attributes[n]?.getBounds());return this.mergeBoundsMemoized(r)}getChangedAttributes(e={clearChangedFlags:!1}){let{attributes:r,attributeTransitionManager:n}=this,i={...n.getAttributes()};for(let s in r){let o=r[s];o.needsRedraw(e)&&!n.hasAttribute(s)&&(i[s]=o)}return i}getBufferLayouts(e){return this.hasBufferGroups()?this.attributeBufferGroups.getBufferLayouts(this.getAttributes(),e):Object.values(this.getAttributes()).map(r=>r.getBufferLayout(e))}hasBufferGroups(){return!!this.attributeBufferGroups?.hasGroups(this.attributes)}getBufferGroupBindings(e,r,n={}){return this.attributeBufferGroups?this.attributeBufferGroups.getBindings(this.getAttributes(),e,r,n):{bufferLayouts:this.getBufferLayouts(r),buffers:{},groupedAttributeIds:new Set}}_add(e,r){for(let n in e){let i=e[n],s={...i,id:n,size:i.isIndexed&&1||i.size||1,...r};this.attributes[n]=new Vn(this.device,s)}this._mapUpdateTriggersToAttributes()}_mapUpdateTriggersToAttributes(){let e={};for(let r in this.attributes)this.attributes[r].getUpdateTriggers().forEach(i=>{e[i]||(e[i]=[]),e[i].push(r)});this.updateTriggers=e}_invalidateTrigger(e,r){let{attributes:n,updateTriggers:i}=this,s=i[e];return s&&s.forEach(o=>{let a=n[o];a&&a.setNeedsUpdate(a.id,r)}),s}_updateAttribute(e){let{attribute:r,numInstances:n}=e;if(ce(aN,r),r.constant){r.setConstantValue(e.context,r.value);return}r.allocate(n)&&ce(cN,r,n),r.updateBuffer(e)&&(this.needsRedraw=!0,ce(lN,r,n))}};N();gf();_e();var wa=class extends Pt{get value(){return this._value}_onUpdate(){let{time:e,settings:{fromValue:r,toValue:n,duration:i,easing:s}}=this,o=s(e/i);this._value=vn(r,n,o)}};var X1=1e-5;function Z1(t,e,r,n,i){let s=e-t,a=(r-e)*i,c=-s*n;return a+c+s+e}function fN(t,e,r,n,i){if(Array.isArray(r)){let s=[];for(let o=0;o<r.length;o++)s[o]=Z1(t[o],e[o],r[o],n,i);return s}return Z1(t,e,r,n,i)}function K1(t,e){if(Array.isArray(t)){let r=0;for(let n=0;n<t.length;n++){let i=t[n]-e[n];r+=i*i}return Math.sqrt(r)}return Math.abs(t-e)}var va=class extends Pt{get value(){return this._currValue}_onUpdate(){let{fromValue:e,toValue:r,damping:n,stiffness:i}=this.settings,{_prevValue:s=e,_currValue:o=e}=this,a=fN(s,o,r,n,i),c=K1(a,r),l=K1(a,o);c<X1&&l<X1&&(a=r,this.end()),this._prevValue=o,this._currValue=a}};var uN={interpolation:wa,spring:va},Ea=class{constructor(e){this.transitions=new Map,this.timeline=e}get active(){return this.transitions.size>0}add(e,r,n,i){let{transitions:s}=this;if(s.has(e)){let c=s.get(e),{value:l=c.settings.fromValue}=c;r=l,this.remove(e)}if(i=wf(i),!i)return;let o=uN[i.type];if(!o){D.error(`unsupported transition type '${i.type}'`)();return}let a=new o(this.timeline);a.start({...i,fromValue:r,toValue:n}),s.set(e,a)}remove(e){let{transitions:r}=this;r.has(e)&&(r.get(e).cancel(),r.delete(e))}update(){let e={};for(let[r,n]of this.transitions)n.update(),e[r]=n.value,n.inProgress||this.remove(r);return e}clear(){for(let e of this.transitions.keys())this.remove(e)}};function J1(t){let e=t[pt];for(let r in e){let n=e[r],{validate:i}=n;if(i&&!i(t[r],n))throw new Error(`Invalid prop ${r}: ${t[r]}`)}}function eS(t,e){let r=tS({newProps:t,oldProps:e,propTypes:t[pt],ignoreProps:{data:null,updateTriggers:null,extensions:null,transitions:null}}),n=hN(t,e),i=!1;return n||(i=pN(t,e)),{dataChanged:n,propsChanged:r,updateTriggersChanged:i,extensionsChanged:mN(t,e),transitionsChanged:dN(t,e)}}function dN(t,e){if(!t.transitions)return!1;let r={},n=t[pt],i=!1;for(let s in t.transitions){let o=n[s],a=o&&o.type;(a==="number"||a==="color"||a==="array")&&ag(t[s],e[s],o)&&(r[s]=!0,i=!0)}return i?r:!1}function tS({newProps:t,oldProps:e,ignoreProps:r={},propTypes:n={},triggerName:i="props"}){if(e===t)return!1;if(typeof t!="object"||t===null)return`${i} changed shallowly`;if(typeof e!="object"||e===null)return`${i} changed shallowly`;for(let s of Object.keys(t))if(!(s in r)){if(!(s in e))return`${i}.${s} added`;let o=ag(t[s],e[s],n[s]);if(o)return`${i}.${s} ${o}`}for(let s of Object.keys(e))if(!(s in r)){if(!(s in t))return`${i}.${s} dropped`;if(!Object.hasOwnProperty.call(t,s)){let o=ag(t[s],e[s],n[s]);if(o)return`${i}.${s} ${o}`}}return!1}function ag(t,e,r){let n=r&&r.equal;return n&&!n(t,e,r)||!n&&(n=t&&e&&t.equals,n&&!n.call(t,e))?"changed deeply":!n&&e!==t?"changed shallowly":null}function hN(t,e){if(e===null)return"oldProps is null, initial diff";let r=!1,{dataComparator:n,_dataDiff:i}=t;return n?n(t.data,e.data)||(r="Data comparator detected a change"):t.data!==e.data&&(r="A new data container was supplied"),r&&i&&(r=i(t.data,e.data)||r),r}function pN(t,e){if(e===null)return{all:!0};if("all"in t.updateTriggers&&Q1(t,e,"all"))return{all:!0};let r={},n=!1;for(let i in t.updateTriggers)i!=="all"&&Q1(t,e,i)&&(r[i]=!0,n=!0);return n?r:!1}function mN(t,e){if(e===null)return!0;let r=e.extensions,{extensions:n}=t;if(n===r)return!1;if(!r||!n||n.length!==r.length)return!0;for(let i=0;i<n.length;i++)if(!n[i].equals(r[i]))return!0;return!1}function Q1(t,e,r){let n=t.updateTriggers[r];n=n??{};let i=e.updateTriggers[r];return i=i??{},tS({oldProps:i,newProps:n,triggerName:r})}var gN="count(): argument not an object",yN="count(): argument not a container";function rS(t){if(!xN(t))throw new Error(gN);if(typeof t.count=="function")return t.count();if(Number.isFinite(t.size))return t.size;if(Number.isFinite(t.length))return t.length;if(_N(t))return Object.keys(t).length;throw new Error(yN)}function _N(t){return t!==null&&typeof t=="object"&&t.constructor===Object}function xN(t){return t!==null&&typeof t=="object"}function cg(t,e){if(!e)return t;let r={...t,...e};if("defines"in e&&(r.defines={...t.defines,...e.defines}),"modules"in e&&(r.modules=(t.modules||[]).concat(e.modules),e.modules.some(n=>n.name==="project64"))){let n=r.modules.findIndex(i=>i.name==="project32");n>=0&&r.modules.splice(n,1)}if("inject"in e)if(!t.inject)r.inject=e.inject;else{let n={...t.inject};for(let i in e.inject)n[i]=(n[i]||"")+e.inject[i];r.inject=n}return r}N();var bN={minFilter:"linear",mipmapFilter:"linear",magFilter:"linear",addressModeU:"clamp-to-edge",addressModeV:"clamp-to-edge"},lg={};function nS(t,e,r,n){if(r instanceof q)return r;r.constructor&&r.constructor.name!=="Object"&&(r={data:r});let i=null;r.compressed&&(i={minFilter:"linear",mipmapFilter:r.data.length>1?"nearest":"linear"});let{width:s,height:o}=r.data,a=e.createTexture({...r,sampler:{...bN,...i,...n},mipLevels:e.getMipLevelCount(s,o)});return e.type==="webgl"?a.generateMipmapsWebGL():e.type==="webgpu"&&e.generateMipmapsWebGPU(a),lg[a.id]=t,a}function iS(t,e){!e||!(e instanceof q)||lg[e.id]===t&&(e.delete(),delete lg[e.id])}var wN={boolean:{validate(t,e){return!0},equal(t,e,r){return!!t==!!e}},number:{validate(t,e){return Number.isFinite(t)&&(!("max"in e)||t<=e.max)&&(!("min"in e)||t>=e.min)}},color:{validate(t,e){return e.optional&&!t||fg(t)&&(t.length===3||t.length===4)},equal(t,e,r){return le(t,e,1)}},accessor:{validate(t,e){let r=jf(t);return r==="function"||r===jf(e.value)},equal(t,e,r){return typeof e=="function"?!0:le(t,e,1)}},array:{validate(t,e){return e.optional&&!t||fg(t)},equal(t,e,r){let{compare:n}=r,i=Number.isInteger(n)?n:n?1:0;return n?le(t,e,i):t===e}},object:{equal(t,e,r){if(r.ignore)return!0;let{compare:n}=r,i=Number.isInteger(n)?n:n?1:0;return n?le(t,e,i):t===e}},function:{validate(t,e){return e.optional&&!t||typeof t=="function"},equal(t,e,r){return!r.compare&&r.ignore!==!1||t===e}},data:{transform:(t,e,r)=>{if(!t)return t;let{dataTransform:n}=r.props;return n?n(t):typeof t.shape=="string"&&t.shape.endsWith("-table")&&Array.isArray(t.data)?t.data:t}},image:{transform:(t,e,r)=>{let n=r.context;return!n||!n.device?null:nS(r.id,n.device,t,{...e.parameters,...r.props.textureParameters})},release:(t,e,r)=>{iS(r.id,t)}}};function sS(t){let e={},r={},n={};for(let[i,s]of Object.entries(t)){let o=s?.deprecatedFor;if(o)n[i]=Array.isArray(o)?o:[o];else{let a=vN(i,s);e[i]=a,r[i]=a.value}}return{propTypes:e,defaultProps:r,deprecatedProps:n}}function vN(t,e){switch(jf(e)){case"object":return Sa(t,e);case"array":return Sa(t,{type:"array",value:e,compare:!1});case"boolean":return Sa(t,{type:"boolean",value:e});case"number":return Sa(t,{type:"number",value:e});case"function":return Sa(t,{type:"function",value:e,compare:!0});default:return{name:t,type:"unknown",value:e}}}function Sa(t,e){return"type"in e?{name:t,...wN[e.type],...e}:"value"in e?{name:t,type:jf(e.value),...e}:{name:t,type:"object",value:e}}function fg(t){return Array.isArray(t)||ArrayBuffer.isView(t)}function jf(t){return fg(t)?"array":t===null?"null":typeof t}function oS(t,e){let r;for(let s=e.length-1;s>=0;s--){let o=e[s];"extensions"in o&&(r=o.extensions)}let n=ug(t.constructor,r),i=Object.create(n);i[ji]=t,i[Zt]={},i[St]={};for(let s=0;s<e.length;++s){let o=e[s];for(let a in o)i[a]=o[a]}return Object.freeze(i),i}var EN="_mergedDefaultProps";function ug(t,e){if(!(t instanceof Hf.constructor))return{};let r=EN;if(e)for(let i of e){let s=i.constructor;s&&(r+=`:${s.extensionName||s.name}`)}let n=aS(t,r);return n||(t[r]=SN(t,e||[]))}function SN(t,e){if(!t.prototype)return null;let n=Object.getPrototypeOf(t),i=ug(n),s=aS(t,"defaultProps")||{},o=sS(s),a=Object.assign(Object.create(null),i,o.defaultProps),c=Object.assign(Object.create(null),i?.[pt],o.propTypes),l=Object.assign(Object.create(null),i?.[Rl],o.deprecatedProps);for(let f of e){let u=ug(f.constructor);u&&(Object.assign(a,u),Object.assign(c,u[pt]),Object.assign(l,u[Rl]))}return PN(a,t),AN(a,c),TN(a,l),a[pt]=c,a[Rl]=l,e.length===0&&!dg(t,"_propTypes")&&(t._propTypes=c),a}function PN(t,e){let r=CN(e);Object.defineProperties(t,{id:{writable:!0,value:r}})}function TN(t,e){for(let r in e)Object.defineProperty(t,r,{enumerable:!1,set(n){let i=`${this.id}: ${r}`;for(let s of e[r])dg(this,s)||(this[s]=n);D.deprecated(i,e[r].join("/"))()}})}function AN(t,e){let r={},n={};for(let i in e){let s=e[i],{name:o,value:a}=s;s.async&&(r[o]=a,n[o]=LN(o))}t[dr]=r,t[Zt]={},Object.defineProperties(t,n)}function LN(t){return{enumerable:!0,set(e){typeof e=="string"||e instanceof Promise||bf(e)?this[Zt][t]=e:this[St][t]=e},get(){if(this[St]){if(t in this[St])return this[St][t]||this[dr][t];if(t in this[Zt]){let e=this[ji]&&this[ji].internalState;if(e&&e.hasAsyncProp(t))return e.getAsyncProp(t)||this[dr][t]}}return this[dr][t]}}}function dg(t,e){return Object.prototype.hasOwnProperty.call(t,e)}function aS(t,e){return dg(t,e)&&t[e]}function CN(t){let e=t.componentName;return e||D.warn(`${t.name}.componentName not specified`)(),e||t.name}var MN=0,Pa=class{constructor(...e){this.props=oS(this,e),this.id=this.props.id,this.count=MN++}clone(e){let{props:r}=this,n={};for(let i in r[dr])i in r[St]?n[i]=r[St][i]:i in r[Zt]&&(n[i]=r[Zt][i]);return new this.constructor({...r,...n,...e})}};Pa.componentName="Component";Pa.defaultProps={};var Hf=Pa;var IN=Object.freeze({}),Ta=class{constructor(e){this.component=e,this.asyncProps={},this.onAsyncPropUpdated=()=>{},this.oldProps=null,this.oldAsyncProps=null}finalize(){for(let e in this.asyncProps){let r=this.asyncProps[e];r&&r.type&&r.type.release&&r.type.release(r.resolvedValue,r.type,this.component)}this.asyncProps={},this.component=null,this.resetOldProps()}getOldProps(){return this.oldAsyncProps||this.oldProps||IN}resetOldProps(){this.oldAsyncProps=null,this.oldProps=this.component?this.component.props:null}hasAsyncProp(e){return e in this.asyncProps}getAsyncProp(e){let r=this.asyncProps[e];return r&&r.resolvedValue}isAsyncPropLoading(e){if(e){let r=this.asyncProps[e];return!!(r&&r.pendingLoadCount>0&&r.pendingLoadCount!==r.resolvedLoadCount)}for(let r in this.asyncProps)if(this.isAsyncPropLoading(r))return!0;return!1}reloadAsyncProp(e,r){this._watchPromise(e,Promise.resolve(r))}setAsyncProps(e){this.component=e[ji]||this.component;let r=e[St]||{},n=e[Zt]||e,i=e[dr]||{};for(let s in r){let o=r[s];this._createAsyncPropData(s,i[s]),this._updateAsyncProp(s,o),r[s]=this.getAsyncProp(s)}for(let s in n){let o=n[s];this._createAsyncPropData(s,i[s]),this._updateAsyncProp(s,o)}}_fetch(e,r){return null}_onResolve(e,r){}_onError(e,r){}_updateAsyncProp(e,r){if(this._didAsyncInputValueChange(e,r)){if(typeof r=="string"&&(r=this._fetch(e,r)),r instanceof Promise){this._watchPromise(e,r);return}if(bf(r)){this._resolveAsyncIterable(e,r);return}this._setPropValue(e,r)}}_freezeAsyncOldProps(){if(!this.oldAsyncProps&&this.oldProps){this.oldAsyncProps=Object.create(this.oldProps);for(let e in this.asyncProps)Object.defineProperty(this.oldAsyncProps,e,{enumerable:!0,value:this.oldProps[e]})}}_didAsyncInputValueChange(e,r){let n=this.asyncProps[e];return r===n.resolvedValue||r===n.lastValue?!1:(n.lastValue=r,!0)}_setPropValue(e,r){this._freezeAsyncOldProps();let n=this.asyncProps[e];n&&(r=this._postProcessValue(n,r),n.resolvedValue=r,n.pendingLoadCount++,n.resolvedLoadCount=n.pendingLoadCount)}_setAsyncPropValue(e,r,n){let i=this.asyncProps[e];i&&n>=i.resolvedLoadCount&&r!==void 0&&(this._freezeAsyncOldProps(),i.resolvedValue=r,i.resolvedLoadCount=n,this.onAsyncPropUpdated(e,r))}_watchPromise(e,r){let n=this.asyncProps[e];if(n){n.pendingLoadCount++;let i=n.pendingLoadCount;r.then(s=>{this.component&&(s=this._postProcessValue(n,s),this._setAsyncPropValue(e,s,i),this._onResolve(e,s))}).catch(s=>{this._onError(e,s)})}}async _resolveAsyncIterable(e,r){if(e!=="data"){this._setPropValue(e,r);return}let n=this.asyncProps[e];if(!n)return;n.pendingLoadCount++;let i=n.pendingLoadCount,s=[],o=0;for await(let a of r){if(!this.component)return;let{dataTransform:c}=this.component.props;c?s=c(a,s):s=s.concat(a),Object.defineProperty(s,"__diff",{enumerable:!1,value:[{startRow:o,endRow:s.length}]}),o=s.length,this._setAsyncPropValue(e,s,i)}this._onResolve(e,s)}_postProcessValue(e,r){let n=e.type;return n&&this.component&&(n.release&&n.release(e.resolvedValue,n,this.component),n.transform)?n.transform(r,n,this.component):r}_createAsyncPropData(e,r){if(!this.asyncProps[e]){let i=this.component&&this.component.props[pt];this.asyncProps[e]={type:i&&i[e],lastValue:null,resolvedValue:r,pendingLoadCount:0,resolvedLoadCount:0}}}};var Aa=class extends Ta{constructor({attributeManager:e,layer:r}){super(r),this.attributeManager=e,this.needsRedraw=!0,this.needsUpdate=!0,this.subLayers=null,this.usesPickingColorCache=!1,this.disabledPickingIndices=[]}get layer(){return this.component}_fetch(e,r){let n=this.layer,i=n?.props.fetch;return i?i(r,{propName:e,layer:n}):super._fetch(e,r)}_onResolve(e,r){let n=this.layer;if(n){let i=n.props.onDataLoad;e==="data"&&i&&i(r,{propName:e,layer:n})}}_onError(e,r){let n=this.layer;n&&n.raiseError(r,`loading ${e} of ${this.layer}`)}};var RN="layer.changeFlag",kN="layer.initialize",ON="layer.update",BN="layer.finalize",DN="layer.matched",cS=2**24-1,NN=Object.freeze([]),FN=Wt(({oldViewport:t,viewport:e})=>t.equals(e)),yt=new Uint8ClampedArray(0);function lS(t){return t.rowIndexes||t.pickingColors||t.instancePickingColors}function hg(t){return t.rowIndexes}function pg(t){return t.pickingColors||t.instancePickingColors}var zN={data:{type:"data",value:NN,async:!0},dataComparator:{type:"function",value:null,optional:!0},_dataDiff:{type:"function",value:t=>t&&t.__diff,optional:!0},dataTransform:{type:"function",value:null,optional:!0},onDataLoad:{type:"function",value:null,optional:!0},onError:{type:"function",value:null,optional:!0},fetch:{type:"function",value:(t,{propName:e,layer:r,loaders:n,loadOptions:i,signal:s})=>{let{resourceManager:o}=r.context;i=i||r.getLoadOptions(),n=n||r.props.loaders,s&&(i={...i,core:{...i?.core,fetch:{...i?.core?.fetch,signal:s}}});let a=o.contains(t);return!a&&!i&&(o.add({resourceId:t,data:Sr(t,n),persistent:!1}),a=!0),a?o.subscribe({resourceId:t,onChange:c=>r.internalState?.reloadAsyncProp(e,c),consumerId:r.id,requestId:e}):Sr(t,n,i)}},updateTriggers:{},visible:!0,pickable:!1,opacity:{type:"number",min:0,max:1,value:1},operation:"draw",onHover:{type:"function",value:null,optional:!0},onClick:{type:"function",value:null,optional:!0},onDragStart:{type:"function",value:null,optional:!0},onDrag:{type:"function",value:null,optional:!0},onDragEnd:{type:"function",value:null,optional:!0},coordinateSystem:"default",coordinateOrigin:{type:"array",value:[0,0,0],compare:!0},modelMatrix:{type:"array",value:null,compare:!0,optional:!0},wrapLongitude:!1,positionFormat:"XYZ",colorFormat:"RGBA",parameters:{type:"object",value:{},optional:!0,compare:2},loadOptions:{type:"object",value:null,optional:!0,ignore:!0},transitions:null,extensions:[],loaders:{type:"array",value:[],optional:!0,ignore:!0},getPolygonOffset:{type:"function",value:({layerIndex:t})=>[0,-t*100]},highlightedObjectIndex:null,autoHighlight:!1,highlightColor:{type:"accessor",value:[0,0,128,128]}},La=class extends Hf{constructor(){super(...arguments),this.internalState=null,this.lifecycle=Nr.NO_STATE,this.parent=null}static get componentName(){return Object.prototype.hasOwnProperty.call(this,"layerName")?this.layerName:""}get root(){let e=this;for(;e.parent;)e=e.parent;return e}toString(){return`${this.constructor.layerName||this.constructor.name}({id: '${this.props.id}'})`}project(e){X(this.internalState);let r=this.internalState.viewport||this.context.viewport,n=Ll(e,{viewport:r,modelMatrix:this.props.modelMatrix,coordinateOrigin:this.props.coordinateOrigin,coordinateSystem:this.props.coordinateSystem}),[i,s,o]=Dr(n,r.pixelProjectionMatrix);return e.length===2?[i,s]:[i,s,o]}unproject(e){return X(this.internalState),(this.internalState.viewport||this.context.viewport).unproject(e)}projectPosition(e,r){X(this.internalState);let n=this.internalState.viewport||this.context.viewport;return $w(e,{viewport:n,modelMatrix:this.props.modelMatrix,coordinateOrigin:this.props.coordinateOrigin,coordinateSystem:this.props.coordinateSystem,...r})}get isComposite(){return!1}get isDrawable(){return!0}setState(e){this.setChangeFlags({stateChanged:!0}),Object.assign(this.state,e),this.setNeedsRedraw()}setNeedsRedraw(){this.internalState&&(this.internalState.needsRedraw=!0)}setNeedsUpdate(){this.internalState&&(this.context.layerManager.setNeedsUpdate(String(this)),this.internalState.needsUpdate=!0)}get isLoaded(){return this.internalState?!this.internalState.isAsyncPropLoading():!1}get wrapLongitude(){return this.props.wrapLongitude}isPickable(){return this.props.pickable&&this.props.visible}getModels(){let e=this.state;return e&&(e.models||e.model&&[e.model])||[]}setShaderModuleProps(...e){for(let r of this.getModels())r.shaderInputs.setProps(...e)}getAttributeManager(){return this.internalState&&this.internalState.attributeManager}getCurrentLayer(){return this.internalState&&this.internalState.layer}getLoadOptions(){return this.props.loadOptions}use64bitPositions(){let{coordinateSystem:e}=this.props;return e==="default"||e==="lnglat"||e==="cartesian"}onHover(e,r){return this.props.onHover&&this.props.onHover(e,r)||!1}onClick(e,r){return this.props.onClick&&this.props.onClick(e,r)||!1}nullPickingColor(){return[0,0,0]}encodePickingColor(e,r=[]){return r[0]=e+1&255,r[1]=e+1>>8&255,r[2]=e+1>>8>>8&255,r}decodePickingColor(e){X(e instanceof Uint8Array);let[r,n,i]=e;return r+n*256+i*65536-1}getNumInstances(){return Number.isFinite(this.props.numInstances)?this.props.numInstances:this.state&&this.state.numInstances!==void 0?this.state.numInstances:rS(this.props.data)}getStartIndices(){return this.props.startIndices?this.props.startIndices:this.state&&this.state.startIndices?this.state.startIndices:null}getBounds(){return this.getAttributeManager()?.getBounds(["positions","instancePositions"])}getShaders(e){e=cg(e,{disableWarnings:!0,modules:this.context.defaultShaderModules});for(let r of this.props.extensions)e=cg(e,r.getShaders.call(this,r));return e}shouldUpdateState(e){return e.changeFlags.propsOrDataChanged}updateState(e){let r=this.getAttributeManager(),{dataChanged:n}=e.changeFlags;if(n&&r)if(Array.isArray(n))for(let i of n)r.invalidateAll(i);else r.invalidateAll();if(r){let{props:i}=e,s=this.internalState.hasPickingBuffer,o=Number.isInteger(i.highlightedObjectIndex)||!!i.pickable||i.extensions.some(a=>a.getNeedsPickingBuffer.call(this,a));if(s!==o){this.internalState.hasPickingBuffer=o;let a=lS(r.attributes);a&&(o&&a.constant&&(a.constant=!1,r.invalidate(a.id)),!a.value&&!o&&(a.constant=!0,a.value=hg(r.attributes)?[Lo]:[0,0,0]))}}}finalizeState(e){for(let n of this.getModels())n.destroy();let r=this.getAttributeManager();r&&r.finalize(),this.context&&this.context.resourceManager.unsubscribe({consumerId:this.id}),this.internalState&&(this.internalState.uniformTransitions.clear(),this.internalState.finalize())}draw(e){for(let r of this.getModels())r.draw(e.renderPass)}getPickingInfo({info:e,mode:r,sourceLayer:n}){let{index:i}=e;return i>=0&&Array.isArray(this.props.data)&&(e.object=this.props.data[i]),e}raiseError(e,r){r&&(e=new Error(`${r}: ${e.message}`,{cause:e})),this.props.onError?.(e)||this.context?.onError?.(e,this)}getNeedsRedraw(e={clearRedrawFlags:!1}){return this._getNeedsRedraw(e)}needsUpdate(){return this.internalState?this.internalState.needsUpdate||this.hasUniformTransition()||this.shouldUpdateState(this._getUpdateParams()):!1}hasUniformTransition(){return this.internalState?.uniformTransitions.active||!1}activateViewport(e){if(!this.internalState)return;let r=this.internalState.viewport;this.internalState.viewport=e,(!r||!FN({oldViewport:r,viewport:e}))&&(this.setChangeFlags({viewportChanged:!0}),this.isComposite?this.needsUpdate()&&this.setNeedsUpdate():this._update())}invalidateAttribute(e="all"){let r=this.getAttributeManager();r&&(e==="all"?r.invalidateAll():r.invalidate(e))}updateAttributes(e){let r=!1;for(let n in e)e[n].layoutChanged()&&(r=!0);for(let n of this.getModels())this._setModelAttributes(n,e,r)}_updateAttributes(){let e=this.getAttributeManager();if(!e)return;let r=this.props,n=this.getNumInstances(),i=this.getStartIndices();e.update({data:r.data,numInstances:n,startIndices:i,props:r,transitions:r.transitions,buffers:r.data.attributes,context:this});let s=e.getChangedAttributes({clearChangedFlags:!0});this.updateAttributes(s)}_updateAttributeTransition(){let e=this.getAttributeManager();e&&e.updateTransition()}_updateUniformTransition(){let{uniformTransitions:e}=this.internalState;if(e.active){let r=e.update(),n=Object.create(this.props);for(let i in r)Object.defineProperty(n,i,{value:r[i]});return n}return this.props}calculateInstancePickingColors(e,{numInstances:r}){if(e.constant)return;let n=Math.floor(yt.length/4);this.internalState.usesPickingColorCache=!0;let i=r>0&&yt[0]===0;if(n<r||i){r>cS&&D.warn("Layer has too many data objects. Picking might not be able to distinguish all objects.")(),yt=ur.allocate(yt,r,{size:4,copy:!0,maxCount:Math.max(r,cS)});let s=Math.floor(yt.length/4),o=[0,0,0],a=i?0:n;for(let c=a;c<s;c++)this.encodePickingColor(c,o),yt[c*4+0]=o[0],yt[c*4+1]=o[1],yt[c*4+2]=o[2],yt[c*4+3]=0}e.value=yt.subarray(0,r*4)}_setModelAttributes(e,r,n=!1){if(!Object.keys(r).length)return;let i=this.getAttributeManager();if(i?.hasBufferGroups()){this._setGroupedModelAttributes(e,i,r);return}if(n){let c=this.getAttributeManager();e.setBufferLayout(c.getBufferLayouts(e)),r=c.getAttributes()}let s=e.userData?.excludeAttributes||{},o={},a={};for(let c in r){if(s[c])continue;let l=r[c].getValue();for(let f in l){let u=l[f];u instanceof U?r[c].settings.isIndexed?e.setIndexBuffer(u):o[f]=u:u&&(a[f]=u)}}e.setAttributes(o),e.setConstantAttributes(a)}_setGroupedModelAttributes(e,r,n){let i=e.userData?.excludeAttributes||{},s=r.getBufferGroupBindings(n,e,i);e.setBufferLayout(s.bufferLayouts);let o={...s.buffers},a={},c=r.getAttributes();for(let l in c){if(i[l]||s.groupedAttributeIds.has(l))continue;let f=c[l],u=f.getValue();for(let d in u){let h=u[d];h instanceof U?f.settings.isIndexed?e.setIndexBuffer(h):o[d]=h:h&&(a[d]=h)}}e.setAttributes(o),e.setConstantAttributes(a)}disablePickingIndex(e){let r=this.props.data;if(!("attributes"in r)){this._disablePickingIndex(e);return}let n=this.getAttributeManager().attributes,i=hg(n),s=pg(n),o=i&&r.attributes&&r.attributes[i.id];if(o&&o.value){let c=o.value;for(let l=0;l<r.length;l++){let f=i.getVertexOffset(l);c[f]===e&&this._disablePickingIndex(l)}return}let a=s&&r.attributes&&r.attributes[s.id];if(a&&a.value){let c=a.value,l=this.encodePickingColor(e);for(let f=0;f<r.length;f++){let u=s.getVertexOffset(f);c[u]===l[0]&&c[u+1]===l[1]&&c[u+2]===l[2]&&this._disablePickingIndex(f)}}else this._disablePickingIndex(e)}_disablePickingIndex(e){let r=this.getAttributeManager().attributes,n=hg(r);if(n){let a=n.getVertexOffset(e),c=n.getVertexOffset(e+1),l=new Uint32Array(c-a);l.fill(Lo),n.buffer.write(l,a*l.BYTES_PER_ELEMENT);return}let i=pg(r);if(!i){this.internalState&&Mw(this.internalState.disabledPickingIndices,e);return}let s=i.getVertexOffset(e),o=i.getVertexOffset(e+1);i.buffer.write(new Uint8Array(o-s),s)}restorePickingColors(){let e=this.getAttributeManager().attributes,r=lS(e);if(!r){this.internalState&&(this.internalState.disabledPickingIndices.length=0);return}let n=pg(e);this.internalState.usesPickingColorCache&&n&&n.value.buffer!==yt.buffer&&(n.value=yt.subarray(0,n.value.length)),r.updateSubBuffer({startOffset:0})}_initialize(){X(!this.internalState),ce(kN,this);let e=this._getAttributeManager();this.internalState=new Aa({attributeManager:e,layer:this}),this._clearChangeFlags(),this.state={},Object.defineProperty(this.state,"attributeManager",{get:()=>(D.deprecated("layer.state.attributeManager","layer.getAttributeManager()")(),e)}),this.internalState.uniformTransitions=new Ea(this.context.timeline),this.internalState.onAsyncPropUpdated=this._onAsyncPropUpdated.bind(this),this.internalState.setAsyncProps(this.props),this.initializeState(this.context);for(let r of this.props.extensions)r.initializeState.call(this,this.context,r);this.setChangeFlags({dataChanged:"init",propsChanged:"init",viewportChanged:!0,extensionsChanged:!0}),this._update()}_transferState(e){ce(DN,this,this===e);let{state:r,internalState:n}=e;this!==e&&(this.internalState=n,this.state=r,this.internalState.setAsyncProps(this.props),this._diffProps(this.props,this.internalState.getOldProps()))}_update(){let e=this.needsUpdate();if(ce(ON,this,e),!e)return;this.context.stats.get("Layer updates").incrementCount();let r=this.props,n=this.context,i=this.internalState,s=n.viewport,o=this._updateUniformTransition();i.propsInTransition=o,n.viewport=i.viewport||s,this.props=o;try{let a=this._getUpdateParams(),c=this.getModels();if(n.device)this.updateState(a);else try{this.updateState(a)}catch{}for(let f of this.props.extensions)f.updateState.call(this,a,f);this.setNeedsRedraw(),this._updateAttributes();let l=this.getModels()[0]!==c[0];this._postUpdate(a,l)}finally{n.viewport=s,this.props=r,this._clearChangeFlags(),i.needsUpdate=!1,i.resetOldProps()}}_finalize(){ce(BN,this),this.finalizeState(this.context);for(let e of this.props.extensions)e.finalizeState.call(this,this.context,e)}_drawLayer({renderPass:e,shaderModuleProps:r=null,uniforms:n={},parameters:i={}}){this._updateAttributeTransition();let s=this.props,o=this.context;this.props=this.internalState.propsInTransition||s;try{r&&this.setShaderModuleProps(r);let{getPolygonOffset:a}=this.props,c=a&&a(n)||[0,0];o.device instanceof Ur&&o.device.setParametersWebGL({polygonOffset:c});let l=o.device instanceof Ur?null:UN(i);if($N(this.getModels(),e,i,l),o.device instanceof Ur)o.device.withParametersWebGL(i,()=>{let f={renderPass:e,shaderModuleProps:r,uniforms:n,parameters:i,context:o};for(let u of this.props.extensions)u.draw.call(this,f,u);this.draw(f)});else{l?.renderPassParameters&&e.setParameters(l.renderPassParameters);let f={renderPass:e,shaderModuleProps:r,uniforms:n,parameters:i,context:o};for(let u of this.props.extensions)u.draw.call(this,f,u);this.draw(f)}}finally{this.props=s}}getChangeFlags(){return this.internalState?.changeFlags}setChangeFlags(e){if(!this.internalState)return;let{changeFlags:r}=this.internalState;for(let i in e)if(e[i]){let s=!1;switch(i){case"dataChanged":let o=e[i],a=r[i];o&&Array.isArray(a)&&(r.dataChanged=Array.isArray(o)?a.concat(o):o,s=!0);default:r[i]||(r[i]=e[i],s=!0)}s&&ce(RN,this,i,e)}let n=!!(r.dataChanged||r.updateTriggersChanged||r.propsChanged||r.extensionsChanged);r.propsOrDataChanged=n,r.somethingChanged=n||r.viewportChanged||r.stateChanged}_clearChangeFlags(){this.internalState.changeFlags={dataChanged:!1,propsChanged:!1,updateTriggersChanged:!1,viewportChanged:!1,stateChanged:!1,extensionsChanged:!1,propsOrDataChanged:!1,somethingChanged:!1}}_diffProps(e,r){let n=eS(e,r);if(n.updateTriggersChanged)for(let i in n.updateTriggersChanged)n.updateTriggersChanged[i]&&this.invalidateAttribute(i);if(n.transitionsChanged)for(let i in n.transitionsChanged)this.internalState.uniformTransitions.add(i,r[i],e[i],e.transitions?.[i]);return this.setChangeFlags(n)}validateProps(){J1(this.props)}updateAutoHighlight(e){this.props.autoHighlight&&!Number.isInteger(this.props.highlightedObjectIndex)&&this._updateAutoHighlight(e)}_updateAutoHighlight(e){let r={highlightedObjectColor:e.picked?e.color:null},{highlightColor:n}=this.props;e.picked&&typeof n=="function"&&(r.highlightColor=n(e)),this.setShaderModuleProps({picking:r}),this.setNeedsRedraw()}_getAttributeManager(){let e=this.context;return new ba(e.device,{id:this.props.id,stats:e.stats,timeline:e.timeline})}_postUpdate(e,r){let{props:n,oldProps:i}=e,s=this.state.model;s?.isInstanced&&s.setInstanceCount(this.getNumInstances());let{autoHighlight:o,highlightedObjectIndex:a,highlightColor:c}=n;if(r||i.autoHighlight!==o||i.highlightedObjectIndex!==a||i.highlightColor!==c){let l={};Array.isArray(c)&&(l.highlightColor=c),(r||i.autoHighlight!==o||a!==i.highlightedObjectIndex)&&(l.highlightedObjectColor=Number.isFinite(a)&&a>=0?this.encodePickingColor(a):null),this.setShaderModuleProps({picking:l})}}_getUpdateParams(){return{props:this.props,oldProps:this.internalState.getOldProps(),context:this.context,changeFlags:this.internalState.changeFlags}}_getNeedsRedraw(e){if(!this.internalState)return!1;let r=!1;r=r||this.internalState.needsRedraw&&this.id;let n=this.getAttributeManager(),i=n?n.getNeedsRedraw(e):!1;if(r=r||i,r)for(let s of this.props.extensions)s.onNeedsRedraw.call(this,s);return this.internalState.needsRedraw=this.internalState.needsRedraw&&!e.clearRedrawFlags,r}_onAsyncPropUpdated(){this._diffProps(this.props,this.internalState.getOldProps()),this.setNeedsUpdate()}};La.defaultProps=zN;La.layerName="Layer";var It=La;function UN(t){let{blendConstant:e,...r}=t;return e?{pipelineParameters:r,renderPassParameters:{blendConstant:e}}:{pipelineParameters:r}}function $N(t,e,r,n){for(let i of t)i.device.type==="webgpu"?(GN(i,e),i.setParameters({...i.parameters,...n?.pipelineParameters})):i.setParameters(r)}function GN(t,e){let r=e.props.framebuffer||(e.framebuffer??null);if(!r)return;let n=r.colorAttachments.map(o=>o?.texture?.format??null),i=r.depthStencilAttachment?.texture?.format,s=t;(!VN(s.props.colorAttachmentFormats,n)||s.props.depthStencilAttachmentFormat!==i)&&(s.props.colorAttachmentFormats=n,s.props.depthStencilAttachmentFormat=i,s._setPipelineNeedsUpdate("attachment formats"))}function VN(t,e){if(t===e)return!0;if(!t||!e||t.length!==e.length)return!1;for(let r=0;r<t.length;r++)if(t[r]!==e[r])return!1;return!0}var WN="compositeLayer.renderLayers",Yf=class extends It{get isComposite(){return!0}get isDrawable(){return!1}get isLoaded(){return super.isLoaded&&this.getSubLayers().every(e=>e.isLoaded)}getSubLayers(){return this.internalState&&this.internalState.subLayers||[]}initializeState(e){}setState(e){super.setState(e),this.setNeedsUpdate()}getPickingInfo({info:e}){let{object:r}=e;return r&&r.__source&&r.__source.parent&&r.__source.parent.id===this.id&&(e.object=r.__source.object,e.index=r.__source.index),e}filterSubLayer(e){return!0}shouldRenderSubLayer(e,r){return r&&r.length}getSubLayerClass(e,r){let{_subLayerProps:n}=this.props;return n&&n[e]&&n[e].type||r}getSubLayerRow(e,r,n){return e.__source={parent:this,object:r,index:n},e}getSubLayerAccessor(e){if(typeof e=="function"){let r={index:-1,data:this.props.data,target:[]};return(n,i)=>n&&n.__source?(r.index=n.__source.index,e(n.__source.object,r)):e(n,i)}return e}getSubLayerProps(e={}){let{opacity:r,pickable:n,visible:i,parameters:s,getPolygonOffset:o,highlightedObjectIndex:a,autoHighlight:c,highlightColor:l,coordinateSystem:f,coordinateOrigin:u,wrapLongitude:d,positionFormat:h,modelMatrix:p,extensions:m,fetch:g,operation:y,_subLayerProps:_}=this.props,x={id:"",updateTriggers:{},opacity:r,pickable:n,visible:i,parameters:s,getPolygonOffset:o,highlightedObjectIndex:a,autoHighlight:c,highlightColor:l,coordinateSystem:f,coordinateOrigin:u,wrapLongitude:d,positionFormat:h,modelMatrix:p,extensions:m,fetch:g,operation:y},w=_&&e.id&&_[e.id],v=w&&w.updateTriggers,S=e.id||"sublayer";if(w){let A=this.props[pt],L=e.type?e.type._propTypes:{};for(let C in w){let T=L[C]||A[C];T&&T.type==="accessor"&&(w[C]=this.getSubLayerAccessor(w[C]))}}Object.assign(x,e,w),x.id=`${this.props.id}-${S}`,x.updateTriggers={all:this.props.updateTriggers?.all,...e.updateTriggers,...v};for(let A of m){let L=A.getSubLayerProps.call(this,A);L&&Object.assign(x,L,{updateTriggers:Object.assign(x.updateTriggers,L.updateTriggers)})}return x}_updateAutoHighlight(e){for(let r of this.getSubLayers())r.updateAutoHighlight(e)}_getAttributeManager(){return null}_postUpdate(e,r){let n=this.internalState.subLayers,i=!n||this.needsUpdate();if(i){let s=this.renderLayers();n=Hi(s,Boolean),this.internalState.subLayers=n}ce(WN,this,i,n);for(let s of n)s.parent=this}};Yf.layerName="CompositeLayer";var mg=Yf;_e();var jN=new he().lookAt({eye:[0,0,1]});function HN({width:t,height:e,near:r,far:n,padding:i}){let s=-t/2,o=t/2,a=-e/2,c=e/2;if(i){let{left:l=0,right:f=0,top:u=0,bottom:d=0}=i,h=ie((l+t-f)/2,0,t)-t/2,p=ie((u+e-d)/2,0,e)-e/2;s-=h,o-=h,a+=p,c+=p}return new he().ortho({left:s,right:o,bottom:a,top:c,near:r,far:n})}var qf=class extends zi{constructor(e){let{width:r,height:n,near:i=.1,far:s=1e3,zoom:o=0,target:a=[0,0,0],padding:c=null,flipY:l=!0}=e,f=e.zoomX??(Array.isArray(o)?o[0]:o),u=e.zoomY??(Array.isArray(o)?o[1]:o),d=Number.isFinite(e.zoom)?e.zoom:Math.min(f,u),h=Math.pow(2,d),p;if(f!==d||u!==d){let m=Math.pow(2,f),g=Math.pow(2,u);p={unitsPerMeter:[m/h,g/h,1],metersPerUnit:[h/m,h/g,1]}}super({...e,longitude:void 0,position:a,viewMatrix:jN.clone().scale([h,h*(l?-1:1),h]),projectionMatrix:HN({width:r||1,height:n||1,padding:c,near:i,far:s}),zoom:d,distanceScales:p}),this.target=a,this.zoomX=f,this.zoomY=u,this.flipY=l}projectFlat([e,r]){let{unitsPerMeter:n}=this.distanceScales;return[e*n[0],r*n[1]]}unprojectFlat([e,r]){let{metersPerUnit:n}=this.distanceScales;return[e*n[0],r*n[1]]}panByPosition(e,r,n){let i=Ht(r,this.pixelUnprojectionMatrix),s=this.projectFlat(e),o=ze.add([],s,ze.negate([],i)),a=ze.add([],this.center,o);return{target:this.unprojectFlat(a)}}};qf.displayName="OrthographicViewport";var fS=qf;_e();var uS=1;function gg({zoom:t=0,zoomX:e,zoomY:r}){return e=e??(Array.isArray(t)?t[0]:t),r=r??(Array.isArray(t)?t[1]:t),{zoomX:e,zoomY:r}}function YN(t,e,r,n,i){let s=t[0][e]+r,o=t[1][e]-n,a=(s+o)/2;return{minimum:s,maximum:o,midpoint:a,settledTarget:Number.isFinite(r)&&Number.isFinite(n)&&s<=o?ie(i,s,o):a}}var yg=class extends Un{constructor(e){let{width:r,height:n,target:i=[0,0,0],zoom:s=0,zoomAxis:o="all",minZoom:a=-1/0,maxZoom:c=1/0,minZoomX:l=a,maxZoomX:f=c,minZoomY:u=a,maxZoomY:d=c,maxBounds:h=null,maxBoundsPadding:p=null,rubberBand:m=!1,startPanPosition:g,startZoomPosition:y,startZoom:_}=e,{[mt]:x}=e,{zoomX:w,zoomY:v}=gg(e);super({width:r,height:n,target:i,zoom:s,zoomX:w,zoomY:v,zoomAxis:o,minZoomX:l,maxZoomX:f,minZoomY:u,maxZoomY:d,maxBounds:h,maxBoundsPadding:p,rubberBand:m,[mt]:x},{startPanPosition:g,startZoomPosition:y,startZoom:_},e.makeViewport,e.constraintContext)}panStart({pos:e},r){return this._getUpdatedState({startPanPosition:this._unproject(e)},r)}pan({pos:e,startPosition:r},n){let i=this.getState().startPanPosition||r;if(!i)return this;let o=this.makeViewport(this.getViewportProps()).panByPosition(i,e);return this._getUpdatedState(o,n)}panEnd(e){return this._getUpdatedState({startPanPosition:null},e)}rotateStart(){return this}rotate(){return this}rotateEnd(){return this}shortestPathFrom(e){let r=e.getViewportProps();return{...this.getViewportProps()}}zoomStart({pos:e},r){let{zoomX:n,zoomY:i}=this.getViewportProps();return this._getUpdatedState({startZoomPosition:this._unproject(e),startZoom:[n,i]},r)}zoom({pos:e,startPos:r,scale:n},i){let{startZoom:s,startZoomPosition:o}=this.getState();if(!o){let{zoomX:c,zoomY:l}=this.getViewportProps();s=[c,l],o=this._unproject(r||e)}if(!o)return this;let a=this._calculateNewZoom({scale:n,startZoom:s});return this._getUpdatedState({...a,[mt]:{position:o,screenPosition:e}},i)}zoomEnd(e){return this._getUpdatedState({startZoomPosition:null,startZoom:null},e)}zoomIn(e=2,r){return this._getUpdatedState(this._calculateNewZoom({scale:e}),r)}zoomOut(e=2,r){return this._getUpdatedState(this._calculateNewZoom({scale:1/e}),r)}moveLeft(e=50,r){return this._panFromCenter([-e,0],r)}moveRight(e=50,r){return this._panFromCenter([e,0],r)}moveUp(e=50,r){return this._panFromCenter([0,-e],r)}moveDown(e=50,r){return this._panFromCenter([0,e],r)}rotateLeft(e=15){return this}rotateRight(e=15){return this}rotateUp(e=10){return this}rotateDown(e=10){return this}_project(e){return this.makeViewport(this.getViewportProps()).project(e)}_unproject(e){let r=this.makeViewport(this.getViewportProps()),[n,i]=r.unproject(e);return[n,i]}_calculateNewZoom({scale:e,startZoom:r}){let{zoomX:n,zoomY:i,zoomAxis:s}=this.getViewportProps();r===void 0&&(r=[n,i]);let o=Math.log2(e),[a,c]=r;switch(s){case"X":a+=o;break;case"Y":c+=o;break;default:a+=o,c+=o}return{zoomX:a,zoomY:c}}_panFromCenter(e,r){let{target:n}=this.getViewportProps(),i=this._project(n);return this.pan({startPosition:n,pos:[i[0]+e[0],i[1]+e[1]]},r)}_getUpdatedState(e,r){return new this.constructor({makeViewport:this.makeViewport,...this.getViewportProps(),...this.getState(),...e,constraintContext:r})}applyConstraints(e,r){let n=e,i=n[mt];delete n[mt];let s=gg(e),o=this._constrainZoom(s,e),a=e.rubberBand&&r?.mode==="elastic",{zoomX:c,zoomY:l}=r?.mode==="preserve"?s:a?{zoomX:zr(s.zoomX,o.zoomX,uS),zoomY:zr(s.zoomY,o.zoomY,uS)}:o;if(e.zoomX=c,e.zoomY=l,i){let h=this.makeViewport({...e,zoomX:c,zoomY:l});Object.assign(e,h.panByPosition(i.position,i.screenPosition))}e.zoom=Array.isArray(e.zoom)||e.zoomX!==e.zoomY?[e.zoomX,e.zoomY]:e.zoomX;let{maxBounds:f,rubberBand:u,target:d}=e;if(f){let h=Yi(e.width,e.height,e.maxBoundsPadding),p=this.makeViewport(e),m=kl(p,d,h),g=p.project(d),y=[0,1].map(v=>{let S=d.slice();S[v]+=1;let A=p.project(S)[v]-g[v];return Number.isFinite(A)?A:2**(v===0?c:l)*(v===0?1:-1)}),_=y.map((v,S)=>{let A=S===0?m.left:m.top,L=S===0?m.right:m.bottom,C=Math.abs(v);return v>=0?[A/C,L/C]:[L/C,A/C]}),x=d.slice(),w=[h.width,h.height];for(let[v,[S,A]]of _.entries()){if(w[v]<0)continue;let{minimum:L,maximum:C,midpoint:T,settledTarget:O}=YN(f,v,S,A,d[v]);if(r?.mode!=="preserve"&&u&&(!Number.isFinite(S)||!Number.isFinite(A))){x[v]=T;continue}let k=u?O:ie(d[v],L,C);x[v]=r?.mode==="preserve"?d[v]:a?zr(d[v],k,(v===0?h.width:h.height)/2/Math.abs(y[v])):k}(x[0]!==d[0]||x[1]!==d[1])&&(e.target=x)}return e}_constrainZoom({zoomX:e,zoomY:r},n){n||(n=this.getViewportProps());let{zoomAxis:i,maxZoomX:s,maxZoomY:o,maxBounds:a}=n,{minZoomX:c,minZoomY:l}=n;if(a!==null&&n.width>0&&n.height>0){let u=Yi(n.width,n.height,n.maxBoundsPadding),d=a[0],h=a[1],p=h[0]-d[0],m=h[1]-d[1];u.width>0&&Number.isFinite(p)&&p>0&&(c=Math.max(c,Math.log2(u.width/p)),c>s&&(c=s)),u.height>0&&Number.isFinite(m)&&m>0&&(l=Math.max(l,Math.log2(u.height/m)),l>o&&(l=o))}switch(i){case"X":e=ie(e,c,s);break;case"Y":r=ie(r,l,o);break;default:let u=Math.min(s-e,o-r,0);u===0&&(u=Math.max(c-e,l-r,0)),u!==0&&(e+=u,r+=u)}return{zoomX:e,zoomY:r}}},Ca=class extends zn{constructor(){super(...arguments),this.ControllerState=yg,this.transition={transitionDuration:300,transitionInterpolator:new hr(["target","zoomX","zoomY"])},this.dragMode="pan"}setProps(e){Object.assign(e,gg(e)),super.setProps(e)}_onMultiPanStart(e){return this.multiTouchDrag==="pan"&&super._onMultiPanStart(e)}_onPanRotate(){return!1}};var Xf=class extends Dn{constructor(e={}){super(e)}getViewportType(){return fS}get ControllerType(){return Ca}};Xf.displayName="OrthographicView";var ls=Xf;oe();var dS=`layout(std140) uniform iconUniforms {
  float sizeScale;
  vec2 iconsTextureDim;
  float sizeBasis;
  float sizeMinPixels;
  float sizeMaxPixels;
  bool billboard;
  highp int sizeUnits;
  float alphaCutoff;
} icon;
`,hS={name:"icon",vs:dS,fs:dS,uniformTypes:{sizeScale:"f32",iconsTextureDim:"vec2<f32>",sizeBasis:"f32",sizeMinPixels:"f32",sizeMaxPixels:"f32",billboard:"f32",sizeUnits:"i32",alphaCutoff:"f32"}};var pS=`#version 300 es
#define SHADER_NAME icon-layer-vertex-shader
in vec2 positions;
in vec3 instancePositions;
in vec3 instancePositions64Low;
in float instanceSizes;
in float instanceAngles;
in vec4 instanceColors;
#ifdef USE_ROW_INDEXES
in float rowIndexes;
#endif
in vec4 instanceIconFrames;
in float instanceColorModes;
in vec2 instanceOffsets;
in vec2 instancePixelOffset;
out float vColorMode;
out vec4 vColor;
out vec2 vTextureCoords;
out vec2 uv;
vec2 rotate_by_angle(vec2 vertex, float angle) {
float angle_radian = angle * PI / 180.0;
float cos_angle = cos(angle_radian);
float sin_angle = sin(angle_radian);
mat2 rotationMatrix = mat2(cos_angle, -sin_angle, sin_angle, cos_angle);
return rotationMatrix * vertex;
}
void main(void) {
geometry.worldPosition = instancePositions;
geometry.uv = positions;
#ifdef USE_ROW_INDEXES
geometry.pickingColor = picking_getPickingColorFromIndex(rowIndexes);
#else
geometry.pickingColor = picking_getPickingColorFromInstanceID();
#endif
uv = positions;
vec2 iconSize = instanceIconFrames.zw;
float sizePixels = clamp(
project_size_to_pixel(instanceSizes * icon.sizeScale, icon.sizeUnits),
icon.sizeMinPixels, icon.sizeMaxPixels
);
float iconConstraint = icon.sizeBasis == 0.0 ? iconSize.x : iconSize.y;
float instanceScale = iconConstraint == 0.0 ? 0.0 : sizePixels / iconConstraint;
vec2 pixelOffset = positions / 2.0 * iconSize + instanceOffsets;
pixelOffset = rotate_by_angle(pixelOffset, instanceAngles) * instanceScale;
pixelOffset += instancePixelOffset;
pixelOffset.y *= -1.0;
if (icon.billboard)  {
gl_Position = project_position_to_clipspace(instancePositions, instancePositions64Low, vec3(0.0), geometry.position);
DECKGL_FILTER_GL_POSITION(gl_Position, geometry);
vec3 offset = vec3(pixelOffset, 0.0);
DECKGL_FILTER_SIZE(offset, geometry);
gl_Position.xy += project_pixel_size_to_clipspace(offset.xy);
} else {
vec3 offset_common = vec3(project_pixel_size(pixelOffset), 0.0);
DECKGL_FILTER_SIZE(offset_common, geometry);
gl_Position = project_position_to_clipspace(instancePositions, instancePositions64Low, offset_common, geometry.position);
DECKGL_FILTER_GL_POSITION(gl_Position, geometry);
}
vTextureCoords = mix(
instanceIconFrames.xy,
instanceIconFrames.xy + iconSize,
(positions.xy + 1.0) / 2.0
) / icon.iconsTextureDim;
vColor = instanceColors;
DECKGL_FILTER_COLOR(vColor, geometry);
vColorMode = instanceColorModes;
}
`;var mS=`#version 300 es
#define SHADER_NAME icon-layer-fragment-shader
precision highp float;
uniform sampler2D iconsTexture;
in float vColorMode;
in vec4 vColor;
in vec2 vTextureCoords;
in vec2 uv;
out vec4 fragColor;
void main(void) {
geometry.uv = uv;
vec4 texColor = texture(iconsTexture, vTextureCoords);
vec3 color = mix(texColor.rgb, vColor.rgb, vColorMode);
float a = texColor.a * layer.opacity * vColor.a;
if (a < icon.alphaCutoff) {
discard;
}
fragColor = vec4(color, a);
DECKGL_FILTER_COLOR(fragColor, geometry);
}
`;var qN=`struct IconUniforms {
  sizeScale: f32,
  iconsTextureDim: vec2<f32>,
  sizeBasis: f32,
  sizeMinPixels: f32,
  sizeMaxPixels: f32,
  billboard: i32,
  sizeUnits: i32,
  alphaCutoff: f32
};

@group(0) @binding(auto) var<uniform> icon: IconUniforms;
@group(0) @binding(auto) var iconsTexture : texture_2d<f32>;
@group(0) @binding(auto) var iconsTextureSampler : sampler;

fn rotate_by_angle(vertex: vec2<f32>, angle_deg: f32) -> vec2<f32> {
  let angle_radian = angle_deg * PI / 180.0;
  let c = cos(angle_radian);
  let s = sin(angle_radian);
  let rotation = mat2x2<f32>(vec2<f32>(c, s), vec2<f32>(-s, c));
  return rotation * vertex;
}

struct Attributes {
  @builtin(instance_index) instanceIndex : u32,
  @location(0) positions: vec2<f32>,

  @location(1) instancePositions: vec3<f32>,
  @location(2) instancePositions64Low: vec3<f32>,
  @location(3) instanceSizes: f32,
  @location(4) instanceAngles: f32,
  @location(5) instanceColors: vec4<f32>,
  @location(6) instanceIconFrames: vec4<f32>,
  @location(7) instanceColorModes: f32,
  @location(8) instanceOffsets: vec2<f32>,
  @location(9) instancePixelOffset: vec2<f32>,
  PICKING_COLOR_ATTRIBUTE
};

struct Varyings {
  @builtin(position) position: vec4<f32>,

  @location(0) vColorMode: f32,
  @location(1) vColor: vec4<f32>,
  @location(2) vTextureCoords: vec2<f32>,
  @location(3) uv: vec2<f32>,
  @location(4) pickingColor: vec3<f32>,
};

@vertex
fn vertexMain(inp: Attributes) -> Varyings {
  // write geometry fields used by filters + FS
  geometry.worldPosition = inp.instancePositions;
  geometry.uv = inp.positions;
  geometry.pickingColor = PICKING_COLOR_VALUE;

  var outp: Varyings;
  outp.uv = inp.positions;

  let iconSize = inp.instanceIconFrames.zw;

  // convert size in meters to pixels, then clamp
  let sizePixels = clamp(
    project_unit_size_to_pixel(inp.instanceSizes * icon.sizeScale, icon.sizeUnits),
    icon.sizeMinPixels, icon.sizeMaxPixels
  );

  // scale icon height to match instanceSize
  let iconConstraint = select(iconSize.y, iconSize.x, icon.sizeBasis == 0.0);
  let instanceScale = select(sizePixels / iconConstraint, 0.0, iconConstraint == 0.0);

  // scale and rotate vertex in "pixel" units; then add per-instance pixel offset
  var pixelOffset = inp.positions / 2.0 * iconSize + inp.instanceOffsets;
  pixelOffset = rotate_by_angle(pixelOffset, inp.instanceAngles) * instanceScale;
  pixelOffset = pixelOffset + inp.instancePixelOffset;
  pixelOffset.y = pixelOffset.y * -1.0;

  if (icon.billboard != 0) {
    var pos = project_position_to_clipspace(inp.instancePositions, inp.instancePositions64Low, vec3<f32>(0.0)); // TODO, &geometry.position);
    // DECKGL_FILTER_GL_POSITION(pos, geometry);

    var offset = vec3<f32>(pixelOffset, 0.0);
    // DECKGL_FILTER_SIZE(offset, geometry);
    let clipOffset = project_pixel_size_to_clipspace(offset.xy);
    pos = vec4<f32>(pos.x + clipOffset.x, pos.y + clipOffset.y, pos.z, pos.w);
    outp.position = pos;
  } else {
    var offset_common = vec3<f32>(project_pixel_size_vec2(pixelOffset), 0.0);
    // DECKGL_FILTER_SIZE(offset_common, geometry);
    var pos = project_position_to_clipspace(inp.instancePositions, inp.instancePositions64Low, offset_common); // TODO, &geometry.position);
    // DECKGL_FILTER_GL_POSITION(pos, geometry);
    outp.position = pos;
  }

  let uvMix = (inp.positions.xy + vec2<f32>(1.0, 1.0)) * 0.5;
  outp.vTextureCoords = mix(inp.instanceIconFrames.xy, inp.instanceIconFrames.xy + iconSize, uvMix) / icon.iconsTextureDim;

  outp.vColor = inp.instanceColors;
  // DECKGL_FILTER_COLOR(outp.vColor, geometry);

  outp.vColorMode = inp.instanceColorModes;
  outp.pickingColor = geometry.pickingColor;

  return outp;
}

@fragment
fn fragmentMain(inp: Varyings) -> @location(0) vec4<f32> {
  // expose to deck.gl filter hooks
  geometry.uv = inp.uv;

  let texColor = textureSample(iconsTexture, iconsTextureSampler, inp.vTextureCoords);

  // if colorMode == 0, use pixel color from the texture
  // if colorMode == 1 (or picking), use texture as transparency mask
  let rgb = mix(texColor.rgb, inp.vColor.rgb, inp.vColorMode);
  let a = texColor.a * layer.opacity * inp.vColor.a;

  if (a < icon.alphaCutoff) {
    discard;
  }

  if (picking.isActive > 0.5) {
    if (!picking_isColorValid(inp.pickingColor)) {
      discard;
    }
    return vec4<f32>(inp.pickingColor, 1.0);
  }

  var fragColor = deckgl_premultiplied_alpha(vec4<f32>(rgb, a));

  if (picking.isHighlightActive > 0.5) {
    let highlightedObjectColor = picking_normalizeColor(picking.highlightedObjectColor);
    if (picking_isColorZero(abs(inp.pickingColor - highlightedObjectColor))) {
      let highLightAlpha = picking.highlightColor.a;
      let blendedAlpha = highLightAlpha + fragColor.a * (1.0 - highLightAlpha);
      if (blendedAlpha > 0.0) {
        let highLightRatio = highLightAlpha / blendedAlpha;
        fragColor = vec4<f32>(
          mix(fragColor.rgb, picking.highlightColor.rgb, highLightRatio),
          blendedAlpha
        );
      } else {
        fragColor = vec4<f32>(fragColor.rgb, 0.0);
      }
    }
  }

  return fragColor;
}
`;function gS(t){return qN.replace("PICKING_COLOR_ATTRIBUTE",t?"@location(10) rowIndexes: u32,":"").replace("PICKING_COLOR_VALUE",t?"picking_getPickingColorFromIndex(inp.rowIndexes)":"picking_getPickingColorFromIndex(inp.instanceIndex)")}var XN=1024,ZN=4,yS=()=>{},_S={minFilter:"linear",mipmapFilter:"linear",magFilter:"linear",addressModeU:"clamp-to-edge",addressModeV:"clamp-to-edge"},KN={x:0,y:0,width:0,height:0};function QN(t){return Math.pow(2,Math.ceil(Math.log2(t)))}function JN(t,e,r,n){let i=Math.min(r/e.width,n/e.height),s=Math.floor(e.width*i),o=Math.floor(e.height*i);return i===1?{image:e,width:s,height:o}:(t.canvas.height=o,t.canvas.width=s,t.clearRect(0,0,s,o),t.drawImage(e,0,0,e.width,e.height,0,0,s,o),{image:t.canvas,width:s,height:o})}function Ma(t){return t&&(t.id||t.url)}function bS(t){let{device:e}=t;e.type==="webgl"?t.generateMipmapsWebGL():e.type==="webgpu"&&e.generateMipmapsWebGPU(t)}function eF(t,e,r,n){let{width:i,height:s,device:o}=t,a=o.createTexture({format:"rgba8unorm",width:e,height:r,sampler:n,mipLevels:o.getMipLevelCount(e,r)}),c=o.createCommandEncoder();c.copyTextureToTexture({sourceTexture:t,destinationTexture:a,width:i,height:s});let l=c.finish();return o.submit(l),bS(a),t.destroy(),a}function xS(t,e,r){for(let n=0;n<e.length;n++){let{icon:i,xOffset:s}=e[n],o=Ma(i);t[o]={...i,x:s,y:r}}}function tF({icons:t,buffer:e,mapping:r={},xOffset:n=0,yOffset:i=0,rowHeight:s=0,canvasWidth:o}){let a=[];for(let c=0;c<t.length;c++){let l=t[c],f=Ma(l);if(!r[f]){let{height:u,width:d}=l;n+d+e>o&&(xS(r,a,i),n=0,i=s+i+e,s=0,a=[]),a.push({icon:l,xOffset:n}),n=n+d+e,s=Math.max(s,u)}}return a.length>0&&xS(r,a,i),{mapping:r,rowHeight:s,xOffset:n,yOffset:i,canvasWidth:o,canvasHeight:QN(s+i+e)}}function rF(t,e,r){if(!t||!e)return null;r=r||{};let n={},{iterable:i,objectInfo:s}=mr(t);for(let o of i){s.index++;let a=e(o,s),c=Ma(a);if(!a)throw new Error("Icon is missing.");if(!a.url)throw new Error("Icon url is missing.");!n[c]&&(!r[c]||a.url!==r[c].url)&&(n[c]={...a,source:o,sourceIndex:s.index})}return n}var Ia=class{constructor(e,{onUpdate:r=yS,onError:n=yS}){this._loadOptions=null,this._texture=null,this._externalTexture=null,this._mapping={},this._samplerParameters=null,this._pendingCount=0,this._autoPacking=!1,this._xOffset=0,this._yOffset=0,this._rowHeight=0,this._buffer=ZN,this._canvasWidth=XN,this._canvasHeight=0,this._canvas=null,this.device=e,this.onUpdate=r,this.onError=n}finalize(){this._texture?.delete()}getTexture(){return this._texture||this._externalTexture}getIconMapping(e){let r=this._autoPacking?Ma(e):e;return this._mapping[r]||KN}setProps({loadOptions:e,autoPacking:r,iconAtlas:n,iconMapping:i,textureParameters:s}){e&&(this._loadOptions=e),r!==void 0&&(this._autoPacking=r),i&&(this._mapping=i),n&&(this._texture?.delete(),this._texture=null,this._externalTexture=n),s&&(this._samplerParameters=s)}get isLoaded(){return this._pendingCount===0}packIcons(e,r){if(!this._autoPacking||typeof document>"u")return;let n=Object.values(rF(e,r,this._mapping)||{});if(n.length>0){let{mapping:i,xOffset:s,yOffset:o,rowHeight:a,canvasHeight:c}=tF({icons:n,buffer:this._buffer,canvasWidth:this._canvasWidth,mapping:this._mapping,rowHeight:this._rowHeight,xOffset:this._xOffset,yOffset:this._yOffset});this._rowHeight=a,this._mapping=i,this._xOffset=s,this._yOffset=o,this._canvasHeight=c,this._texture||(this._texture=this.device.createTexture({format:"rgba8unorm",data:null,width:this._canvasWidth,height:this._canvasHeight,sampler:this._samplerParameters||_S,mipLevels:this.device.getMipLevelCount(this._canvasWidth,this._canvasHeight)})),this._texture.height!==this._canvasHeight&&(this._texture=eF(this._texture,this._canvasWidth,this._canvasHeight,this._samplerParameters||_S)),this.onUpdate(!0),this._canvas=this._canvas||document.createElement("canvas"),this._loadIcons(n)}}_loadIcons(e){let r=this._canvas.getContext("2d",{willReadFrequently:!0});for(let n of e)this._pendingCount++,Sr(n.url,this._loadOptions).then(i=>{let s=Ma(n),o=this._mapping[s],{x:a,y:c,width:l,height:f}=o,{image:u,width:d,height:h}=JN(r,i,l,f),p=a+(l-d)/2,m=c+(f-h)/2;this._texture?.copyExternalImage({image:u,x:p,y:m,width:d,height:h}),o.x=p,o.y=m,o.width=d,o.height=h,this._texture&&bS(this._texture),this.onUpdate(d!==l||h!==f)}).catch(i=>{this.onError({url:n.url,source:n.source,sourceIndex:n.sourceIndex,loadOptions:this._loadOptions,error:i})}).finally(()=>{this._pendingCount--})}};var wS=[0,0,0,255],nF={iconAtlas:{type:"image",value:null,async:!0},iconMapping:{type:"object",value:{},async:!0},sizeScale:{type:"number",value:1,min:0},billboard:!0,sizeUnits:"pixels",sizeBasis:"height",sizeMinPixels:{type:"number",min:0,value:0},sizeMaxPixels:{type:"number",min:0,value:Number.MAX_SAFE_INTEGER},alphaCutoff:{type:"number",value:.05,min:0,max:1},getPosition:{type:"accessor",value:t=>t.position},getIcon:{type:"accessor",value:t=>t.icon},getColor:{type:"accessor",value:wS},getSize:{type:"accessor",value:1},getAngle:{type:"accessor",value:0},getPixelOffset:{type:"accessor",value:[0,0]},onIconError:{type:"function",value:null,optional:!0},textureParameters:{type:"object",ignore:!0,value:null}},Ra=class extends It{getShaders(){let e=!!this.props.data?.attributes?.rowIndexes;return super.getShaders({vs:pS,fs:mS,source:gS(e),defines:e?{USE_ROW_INDEXES:!0}:{},modules:[jt,Gt,Yt,hS]})}initializeState(){this.state={iconManager:new Ia(this.context.device,{onUpdate:this._onUpdate.bind(this),onError:this._onError.bind(this)})},this.getAttributeManager().addInstanced({instancePositions:{size:3,type:"float64",fp64:this.use64bitPositions(),transition:!0,accessor:"getPosition"},instanceSizes:{size:1,transition:!0,bufferGroup:"icon-instance-data",accessor:"getSize",defaultValue:1},instanceIconDefs:{size:7,bufferGroup:"icon-instance-data",accessor:"getIcon",transform:this.getInstanceIconDef,shaderAttributes:{instanceOffsets:{size:2,elementOffset:0},instanceIconFrames:{size:4,elementOffset:2},instanceColorModes:{size:1,elementOffset:6}}},instanceColors:{size:this.props.colorFormat.length,type:"unorm8",transition:!0,bufferGroup:"icon-instance-data",accessor:"getColor",defaultValue:wS},instanceAngles:{size:1,transition:!0,bufferGroup:"icon-instance-data",accessor:"getAngle"},instancePixelOffset:{size:2,transition:!0,bufferGroup:"icon-instance-data",accessor:"getPixelOffset"},...this.props.data?.attributes?.rowIndexes?{rowIndexes:{size:1,type:"uint32",noAlloc:!0}}:{}})}updateState(e){super.updateState(e);let{props:r,oldProps:n,changeFlags:i}=e,s=this.getAttributeManager(),{iconAtlas:o,iconMapping:a,data:c,getIcon:l,textureParameters:f}=r,{iconManager:u}=this.state;if(typeof o=="string")return;let d=o||this.internalState.isAsyncPropLoading("iconAtlas");u.setProps({loadOptions:r.loadOptions,autoPacking:!d,iconAtlas:o,iconMapping:d?a:null,textureParameters:f}),d?n.iconMapping!==r.iconMapping&&s.invalidate("getIcon"):(i.dataChanged||i.updateTriggersChanged&&(i.updateTriggersChanged.all||i.updateTriggersChanged.getIcon))&&u.packIcons(c,l),i.extensionsChanged&&(this.state.model?.destroy(),this.state.model=this._getModel(),s.invalidateAll())}get isLoaded(){return super.isLoaded&&this.state.iconManager.isLoaded}finalizeState(e){super.finalizeState(e),this.state.iconManager.finalize()}draw({uniforms:e}){this._drawModel(this.state.model)}_drawModel(e){let{sizeScale:r,sizeBasis:n,sizeMinPixels:i,sizeMaxPixels:s,sizeUnits:o,billboard:a,alphaCutoff:c}=this.props,{iconManager:l}=this.state,f=l.getTexture();if(f){let u={iconsTexture:f,iconsTextureDim:[f.width,f.height],sizeUnits:Pe[o],sizeScale:r,sizeBasis:n==="height"?1:0,sizeMinPixels:i,sizeMaxPixels:s,billboard:a,alphaCutoff:c};e.shaderInputs.setProps({icon:u}),e.draw(this.context.renderPass)}}_getModel(e=this.props.id){let r=[-1,-1,1,-1,-1,1,1,1];return new Ae(this.context.device,{...this.getShaders(),id:e,bufferLayout:this.getAttributeManager().getBufferLayouts(),geometry:new tt({topology:"triangle-strip",attributes:{positions:{size:2,value:new Float32Array(r)}}}),isInstanced:!0})}_onUpdate(e){e?(this.getAttributeManager()?.invalidate("getIcon"),this.setNeedsUpdate()):this.setNeedsRedraw()}_onError(e){let r=this.getCurrentLayer()?.props.onIconError;r?r(e):D.error(e.error.message)()}getInstanceIconDef(e){let{x:r,y:n,width:i,height:s,mask:o,anchorX:a=i/2,anchorY:c=s/2}=this.state.iconManager.getIconMapping(e);return[i/2-a,s/2-c,r,n,i,s,o?1:0]}};Ra.defaultProps=nF;Ra.layerName="IconLayer";var vS=Ra;oe();var ES=`layout(std140) uniform lineUniforms {
  float widthScale;
  float widthMinPixels;
  float widthMaxPixels;
  float useShortestPath;
  highp int widthUnits;
} line;
`,SS={name:"line",source:"",vs:ES,fs:ES,uniformTypes:{widthScale:"f32",widthMinPixels:"f32",widthMaxPixels:"f32",useShortestPath:"f32",widthUnits:"i32"}};var PS=`// ---------- Helper Structures & Functions ----------

// Placeholder filter functions.
fn deckgl_filter_size(offset: vec3<f32>, geometry: Geometry) -> vec3<f32> {
  return offset;
}
fn deckgl_filter_gl_position(p: vec4<f32>, geometry: Geometry) -> vec4<f32> {
  if (picking.isAttribute > 0.5) {
    // For depth picking, write normalized depth into the picking payload.
    // This mirrors the legacy DECKGL_FILTER_GL_POSITION hook on WebGL.
  }
  return p;
}

// Compute an extrusion offset given a line direction (in clipspace),
// an offset direction (-1 or 1), and a width in pixels.
// Assumes a uniform "project" with a viewportSize field is available.
fn getExtrusionOffset(line_clipspace: vec2<f32>, offset_direction: f32, width: f32) -> vec2<f32> {
  // project.viewportSize should be provided as a uniform (not shown here)
  let dir_screenspace = normalize(line_clipspace * project.viewportSize);
  // Rotate by 90\xB0: (x,y) becomes (-y,x)
  let rotated = vec2<f32>(-dir_screenspace.y, dir_screenspace.x);
  return rotated * offset_direction * width / 2.0;
}

// Splits the line between two points at a given x coordinate.
// Interpolates the y and z components.
fn splitLine(a: vec3<f32>, b: vec3<f32>, x: f32) -> vec3<f32> {
  let t: f32 = (x - a.x) / (b.x - a.x);
  return vec3<f32>(x, a.yz + t * (b.yz - a.yz));
}

// ---------- Uniforms & Global Structures ----------

struct LineUniforms {
  widthScale: f32,
  widthMinPixels: f32,
  widthMaxPixels: f32,
  useShortestPath: f32,
  widthUnits: i32,
};

@group(0) @binding(0)
var<uniform> line: LineUniforms;



// ---------- Vertex Output Structure ----------

struct Varyings {
  @builtin(position) gl_Position: vec4<f32>,
  @location(0) vColor: vec4<f32>,
  @location(1) uv: vec2<f32>,
  @location(2) pickingColor: vec3<f32>,
};

// ---------- Vertex Shader Entry Point ----------

@vertex
fn vertexMain(
  @builtin(instance_index) instanceIndex: u32,
  @location(0) positions: vec3<f32>,
  @location(1) instanceSourcePositions: vec3<f32>,
  @location(2) instanceTargetPositions: vec3<f32>,
  @location(3) instanceSourcePositions64Low: vec3<f32>,
  @location(4) instanceTargetPositions64Low: vec3<f32>,
  @location(5) instanceColors: vec4<f32>,
  @location(6) instanceWidths: f32
) -> Varyings {
  geometry.worldPosition = instanceSourcePositions;
  geometry.worldPositionAlt = instanceTargetPositions;

  var source_world: vec3<f32> = instanceSourcePositions;
  var target_world: vec3<f32> = instanceTargetPositions;
  var source_world_64low: vec3<f32> = instanceSourcePositions64Low;
  var target_world_64low: vec3<f32> = instanceTargetPositions64Low;

  // Apply shortest-path adjustments if needed.
  if (line.useShortestPath > 0.5 || line.useShortestPath < -0.5) {
    source_world.x = (source_world.x + 180.0 % 360.0) - 180.0;
    target_world.x = (target_world.x + 180.0 % 360.0) - 180.0;
    let deltaLng: f32 = target_world.x - source_world.x;

    if (deltaLng * line.useShortestPath > 180.0) {
      source_world.x = source_world.x + 360.0 * line.useShortestPath;
      source_world = splitLine(source_world, target_world, 180.0 * line.useShortestPath);
      source_world_64low = vec3<f32>(0.0, 0.0, 0.0);
    } else if (deltaLng * line.useShortestPath < -180.0) {
      target_world.x = target_world.x + 360.0 * line.useShortestPath;
      target_world = splitLine(source_world, target_world, 180.0 * line.useShortestPath);
      target_world_64low = vec3<f32>(0.0, 0.0, 0.0);
    } else if (line.useShortestPath < 0.0) {
      var abortOut: Varyings;
      abortOut.gl_Position = vec4<f32>(0.0);
      abortOut.vColor = vec4<f32>(0.0);
      abortOut.uv = vec2<f32>(0.0);
      return abortOut;
    }
  }

  // Project Pos and target positions to clip space.
  let sourceResult = project_position_to_clipspace_and_commonspace(source_world, source_world_64low, vec3<f32>(0.0));
  let targetResult = project_position_to_clipspace_and_commonspace(target_world, target_world_64low, vec3<f32>(0.0));
  let sourcePos: vec4<f32> = sourceResult.clipPosition;
  let targetPos: vec4<f32> = targetResult.clipPosition;
  let source_commonspace: vec4<f32> = sourceResult.commonPosition;
  let target_commonspace: vec4<f32> = targetResult.commonPosition;

  // Interpolate along the line segment.
  let segmentIndex: f32 = positions.x;
  let p: vec4<f32> = sourcePos + segmentIndex * (targetPos - sourcePos);
  geometry.position = source_commonspace + segmentIndex * (target_commonspace - source_commonspace);
#ifdef ANTIALIASING
  var uv: vec2<f32> = positions.xy;
#else
  let uv: vec2<f32> = positions.xy;
#endif
  geometry.uv = uv;
  geometry.pickingColor = picking_getPickingColorFromIndex(instanceIndex);

  // Determine width in pixels.
  let widthPixels: f32 = clamp(
    project_unit_size_to_pixel(instanceWidths * line.widthScale, line.widthUnits),
    line.widthMinPixels, line.widthMaxPixels
  );

  // Compute extrusion offset.
  let extrusion: vec2<f32> = getExtrusionOffset(targetPos.xy - sourcePos.xy, positions.y, widthPixels);
  let offset: vec3<f32> = vec3<f32>(extrusion, 0.0);

  // Apply deck.gl filter functions.
#ifdef ANTIALIASING
  var filteredOffset = deckgl_filter_size(offset, geometry);
  let halfWidthPixels = length(filteredOffset.xy);
  if (halfWidthPixels > 0.0) {
    // Keep the declared edge at abs(uv.y) == 1 while rasterizing the outer half of the centered
    // one-device-pixel coverage ramp.
    let coverageScale = 1.0 + 0.5 / project.devicePixelRatio / halfWidthPixels;
    filteredOffset *= coverageScale;
    uv.y *= coverageScale;
  }
  geometry.uv = uv;
#else
  let filteredOffset = deckgl_filter_size(offset, geometry);
#endif
  let filteredP = deckgl_filter_gl_position(p, geometry);

  let clipOffset: vec2<f32> = project_pixel_size_to_clipspace(filteredOffset.xy);
  let finalPosition: vec4<f32> = filteredP + vec4<f32>(clipOffset, 0.0, 0.0);

  // Compute color.
  var vColor: vec4<f32> = vec4<f32>(instanceColors.rgb, instanceColors.a * layer.opacity);
  // vColor = deckgl_filter_color(vColor, geometry);

  var output: Varyings;
  output.gl_Position = finalPosition;
  output.vColor = vColor;
  output.uv = uv;
  output.pickingColor = geometry.pickingColor;
  return output;
}

@fragment
fn fragmentMain(
  @location(0) vColor: vec4<f32>,
  @location(1) uv: vec2<f32>,
  @location(2) pickingColor: vec3<f32>
) -> @location(0) vec4<f32> {
  // Create and initialize geometry with the provided uv.
  var geometry: Geometry;
  geometry.uv = uv;

  // Start with the input color.
  var fragColor: vec4<f32> = vColor;

#ifdef ANTIALIASING
  // Distance to the edge in device pixels, from the derivative of uv.y. Taken in uniform control
  // flow, ahead of the picking discard below
  let edgeCoord = abs(uv.y);
  let edgePixels = (1.0 - edgeCoord) / max(fwidth(edgeCoord), 1e-6);

  // Fragments outside the coverage ramp must not write depth or picking colors.
  if (edgePixels <= -SMOOTH_EDGE_RADIUS) {
    discard;
  }

  // Feather one device pixel across the width, before premultiplication below. The ends are left
  // hard - they abut neighbors
  fragColor.a *= smoothedge(0.0, edgePixels);
#endif

  if (picking.isActive > 0.5) {
    if (!picking_isColorValid(pickingColor)) {
      discard;
    }
    return vec4<f32>(pickingColor, 1.0);
  }

  if (picking.isHighlightActive > 0.5) {
    let highlightedObjectColor = picking_normalizeColor(picking.highlightedObjectColor);
    if (picking_isColorZero(abs(pickingColor - highlightedObjectColor))) {
      let highLightAlpha = picking.highlightColor.a;
      let blendedAlpha = highLightAlpha + fragColor.a * (1.0 - highLightAlpha);
      if (blendedAlpha > 0.0) {
        let highLightRatio = highLightAlpha / blendedAlpha;
        fragColor = vec4<f32>(
          mix(fragColor.rgb, picking.highlightColor.rgb, highLightRatio),
          blendedAlpha
        );
      } else {
        fragColor = vec4<f32>(fragColor.rgb, 0.0);
      }
    }
  }

  // Apply premultiplied alpha as required by transparent canvas
  fragColor = deckgl_premultiplied_alpha(fragColor);

  return fragColor;
}
`;var TS=`#version 300 es
#define SHADER_NAME line-layer-vertex-shader
in vec3 positions;
in vec3 instanceSourcePositions;
in vec3 instanceTargetPositions;
in vec3 instanceSourcePositions64Low;
in vec3 instanceTargetPositions64Low;
in vec4 instanceColors;
in float instanceWidths;
out vec4 vColor;
out vec2 uv;
vec2 getExtrusionOffset(vec2 line_clipspace, float offset_direction, float width) {
vec2 dir_screenspace = normalize(line_clipspace * project.viewportSize);
dir_screenspace = vec2(-dir_screenspace.y, dir_screenspace.x);
return dir_screenspace * offset_direction * width / 2.0;
}
vec3 splitLine(vec3 a, vec3 b, float x) {
float t = (x - a.x) / (b.x - a.x);
return vec3(x, mix(a.yz, b.yz, t));
}
void main(void) {
geometry.worldPosition = instanceSourcePositions;
geometry.worldPositionAlt = instanceTargetPositions;
vec3 source_world = instanceSourcePositions;
vec3 target_world = instanceTargetPositions;
vec3 source_world_64low = instanceSourcePositions64Low;
vec3 target_world_64low = instanceTargetPositions64Low;
if (line.useShortestPath > 0.5 || line.useShortestPath < -0.5) {
source_world.x = mod(source_world.x + 180., 360.0) - 180.;
target_world.x = mod(target_world.x + 180., 360.0) - 180.;
float deltaLng = target_world.x - source_world.x;
if (deltaLng * line.useShortestPath > 180.) {
source_world.x += 360. * line.useShortestPath;
source_world = splitLine(source_world, target_world, 180. * line.useShortestPath);
source_world_64low = vec3(0.0);
} else if (deltaLng * line.useShortestPath < -180.) {
target_world.x += 360. * line.useShortestPath;
target_world = splitLine(source_world, target_world, 180. * line.useShortestPath);
target_world_64low = vec3(0.0);
} else if (line.useShortestPath < 0.) {
gl_Position = vec4(0.);
return;
}
}
vec4 source_commonspace;
vec4 target_commonspace;
vec4 source = project_position_to_clipspace(source_world, source_world_64low, vec3(0.), source_commonspace);
vec4 target = project_position_to_clipspace(target_world, target_world_64low, vec3(0.), target_commonspace);
float segmentIndex = positions.x;
vec4 p = mix(source, target, segmentIndex);
geometry.position = mix(source_commonspace, target_commonspace, segmentIndex);
uv = positions.xy;
geometry.uv = uv;
geometry.pickingColor = picking_getPickingColorFromInstanceID();
float widthPixels = clamp(
project_size_to_pixel(instanceWidths * line.widthScale, line.widthUnits),
line.widthMinPixels, line.widthMaxPixels
);
vec3 offset = vec3(
getExtrusionOffset(target.xy - source.xy, positions.y, widthPixels),
0.0);
DECKGL_FILTER_SIZE(offset, geometry);
#ifdef ANTIALIASING
float halfWidthPixels = length(offset.xy);
if (halfWidthPixels > 0.0) {
float coverageScale = 1.0 + 0.5 / project.devicePixelRatio / halfWidthPixels;
offset.xy *= coverageScale;
uv.y *= coverageScale;
}
geometry.uv = uv;
#endif
DECKGL_FILTER_GL_POSITION(p, geometry);
gl_Position = p + vec4(project_pixel_size_to_clipspace(offset.xy), 0.0, 0.0);
vColor = vec4(instanceColors.rgb, instanceColors.a * layer.opacity);
DECKGL_FILTER_COLOR(vColor, geometry);
}
`;var AS=`#version 300 es
#define SHADER_NAME line-layer-fragment-shader
precision highp float;
in vec4 vColor;
in vec2 uv;
out vec4 fragColor;
void main(void) {
geometry.uv = uv;
fragColor = vColor;
#ifdef ANTIALIASING
float edgeCoord = abs(uv.y);
float edgePixels = (1.0 - edgeCoord) / max(fwidth(edgeCoord), 1e-6);
if (edgePixels <= -SMOOTH_EDGE_RADIUS) {
discard;
}
fragColor.a *= smoothedge(0.0, edgePixels);
#endif
DECKGL_FILTER_COLOR(fragColor, geometry);
}
`;var iF=[0,0,0,255],sF={getSourcePosition:{type:"accessor",value:t=>t.sourcePosition},getTargetPosition:{type:"accessor",value:t=>t.targetPosition},getColor:{type:"accessor",value:iF},getWidth:{type:"accessor",value:1},widthUnits:"pixels",widthScale:{type:"number",value:1,min:0},widthMinPixels:{type:"number",value:0,min:0},widthMaxPixels:{type:"number",value:Number.MAX_SAFE_INTEGER,min:0},antialiasing:!1},ka=class extends It{getBounds(){return this.getAttributeManager()?.getBounds(["instanceSourcePositions","instanceTargetPositions"])}getShaders(){let{antialiasing:e}=this.props;return super.getShaders({vs:TS,fs:AS,source:PS,defines:e?{ANTIALIASING:1}:{},modules:[jt,Gt,Yt,SS]})}get wrapLongitude(){return!1}initializeState(){this.getAttributeManager().addInstanced({instanceSourcePositions:{size:3,type:"float64",fp64:this.use64bitPositions(),transition:!0,accessor:"getSourcePosition"},instanceTargetPositions:{size:3,type:"float64",fp64:this.use64bitPositions(),transition:!0,accessor:"getTargetPosition"},instanceColors:{size:this.props.colorFormat.length,type:"unorm8",transition:!0,accessor:"getColor",defaultValue:[0,0,0,255]},instanceWidths:{size:1,transition:!0,accessor:"getWidth",defaultValue:1}})}updateState(e){super.updateState(e);let{props:r,oldProps:n,changeFlags:i}=e;(i.extensionsChanged||r.antialiasing!==n.antialiasing)&&(this.state.model?.destroy(),this.state.model=this._getModel(),this.getAttributeManager().invalidateAll())}draw({uniforms:e}){let{widthUnits:r,widthScale:n,widthMinPixels:i,widthMaxPixels:s,wrapLongitude:o}=this.props,a=this.state.model,c={widthUnits:Pe[r],widthScale:n,widthMinPixels:i,widthMaxPixels:s,useShortestPath:o?1:0};a.shaderInputs.setProps({line:c}),a.draw(this.context.renderPass),o&&(a.shaderInputs.setProps({line:{...c,useShortestPath:-1}}),a.draw(this.context.renderPass))}_getModel(){let e=[0,-1,0,0,1,0,1,-1,0,1,1,0];return new Ae(this.context.device,{...this.getShaders(),id:this.props.id,bufferLayout:this.getAttributeManager().getBufferLayouts(),geometry:new tt({topology:"triangle-strip",attributes:{positions:{size:3,value:new Float32Array(e)}}}),isInstanced:!0})}};ka.layerName="LineLayer";ka.defaultProps=sF;var _g=ka;oe();var LS=`layout(std140) uniform scatterplotUniforms {
  float radiusScale;
  float radiusMinPixels;
  float radiusMaxPixels;
  float lineWidthScale;
  float lineWidthMinPixels;
  float lineWidthMaxPixels;
  float stroked;
  float filled;
  bool antialiasing;
  bool billboard;
  highp int radiusUnits;
  highp int lineWidthUnits;
} scatterplot;
`,CS={name:"scatterplot",vs:LS,fs:LS,source:"",uniformTypes:{radiusScale:"f32",radiusMinPixels:"f32",radiusMaxPixels:"f32",lineWidthScale:"f32",lineWidthMinPixels:"f32",lineWidthMaxPixels:"f32",stroked:"f32",filled:"f32",antialiasing:"f32",billboard:"f32",radiusUnits:"i32",lineWidthUnits:"i32"}};var MS=`#version 300 es
#define SHADER_NAME scatterplot-layer-vertex-shader
in vec3 positions;
in vec3 instancePositions;
in vec3 instancePositions64Low;
in float instanceRadius;
in float instanceLineWidths;
in vec4 instanceFillColors;
in vec4 instanceLineColors;
#ifdef USE_ROW_INDEXES
in float rowIndexes;
#endif
in vec2 instancePixelOffset;
out vec4 vFillColor;
out vec4 vLineColor;
out vec2 unitPosition;
out float innerUnitRadius;
out float outerRadiusPixels;
void main(void) {
geometry.worldPosition = instancePositions;
outerRadiusPixels = clamp(
project_size_to_pixel(scatterplot.radiusScale * instanceRadius, scatterplot.radiusUnits),
scatterplot.radiusMinPixels, scatterplot.radiusMaxPixels
);
float lineWidthPixels = clamp(
project_size_to_pixel(scatterplot.lineWidthScale * instanceLineWidths, scatterplot.lineWidthUnits),
scatterplot.lineWidthMinPixels, scatterplot.lineWidthMaxPixels
);
outerRadiusPixels += scatterplot.stroked * lineWidthPixels / 2.0;
float edgePadding = scatterplot.antialiasing ? (outerRadiusPixels + SMOOTH_EDGE_RADIUS) / outerRadiusPixels : 1.0;
unitPosition = edgePadding * positions.xy;
geometry.uv = unitPosition;
#ifdef USE_ROW_INDEXES
geometry.pickingColor = picking_getPickingColorFromIndex(rowIndexes);
#else
geometry.pickingColor = picking_getPickingColorFromInstanceID();
#endif
innerUnitRadius = 1.0 - scatterplot.stroked * lineWidthPixels / outerRadiusPixels;
if (scatterplot.billboard) {
gl_Position = project_position_to_clipspace(instancePositions, instancePositions64Low, vec3(0.0), geometry.position);
DECKGL_FILTER_GL_POSITION(gl_Position, geometry);
vec3 offset = edgePadding * positions * outerRadiusPixels;
offset.xy += instancePixelOffset;
DECKGL_FILTER_SIZE(offset, geometry);
gl_Position.xy += project_pixel_size_to_clipspace(offset.xy);
} else {
vec3 offset = edgePadding * positions * project_pixel_size(outerRadiusPixels);
offset.xy += project_pixel_size(instancePixelOffset);
DECKGL_FILTER_SIZE(offset, geometry);
gl_Position = project_position_to_clipspace(instancePositions, instancePositions64Low, offset, geometry.position);
DECKGL_FILTER_GL_POSITION(gl_Position, geometry);
}
vFillColor = vec4(instanceFillColors.rgb, instanceFillColors.a * layer.opacity);
DECKGL_FILTER_COLOR(vFillColor, geometry);
vLineColor = vec4(instanceLineColors.rgb, instanceLineColors.a * layer.opacity);
DECKGL_FILTER_COLOR(vLineColor, geometry);
}
`;var IS=`#version 300 es
#define SHADER_NAME scatterplot-layer-fragment-shader
precision highp float;
in vec4 vFillColor;
in vec4 vLineColor;
in vec2 unitPosition;
in float innerUnitRadius;
in float outerRadiusPixels;
out vec4 fragColor;
void main(void) {
geometry.uv = unitPosition;
float distToCenter = length(unitPosition) * outerRadiusPixels;
float inCircle = scatterplot.antialiasing ?
smoothedge(distToCenter, outerRadiusPixels) :
step(distToCenter, outerRadiusPixels);
if (inCircle == 0.0) {
discard;
}
if (scatterplot.stroked > 0.5) {
float isLine = scatterplot.antialiasing ?
smoothedge(innerUnitRadius * outerRadiusPixels, distToCenter) :
step(innerUnitRadius * outerRadiusPixels, distToCenter);
if (scatterplot.filled > 0.5) {
fragColor = mix(vFillColor, vLineColor, isLine);
} else {
if (isLine == 0.0) {
discard;
}
fragColor = vec4(vLineColor.rgb, vLineColor.a * isLine);
}
} else if (scatterplot.filled < 0.5) {
discard;
} else {
fragColor = vFillColor;
}
fragColor.a *= inCircle;
DECKGL_FILTER_COLOR(fragColor, geometry);
}
`;var oF=`// Main shaders

struct ScatterplotUniforms {
  radiusScale: f32,
  radiusMinPixels: f32,
  radiusMaxPixels: f32,
  lineWidthScale: f32,
  lineWidthMinPixels: f32,
  lineWidthMaxPixels: f32,
  stroked: f32,
  filled: i32,
  antialiasing: i32,
  billboard: i32,
  radiusUnits: i32,
  lineWidthUnits: i32,
};

@group(0) @binding(0) var<uniform> scatterplot: ScatterplotUniforms;

struct Attributes {
  @builtin(instance_index) instanceIndex : u32,
  @builtin(vertex_index) vertexIndex : u32,
  @location(0) positions: vec3<f32>,
  @location(1) instancePositions: vec3<f32>,
  @location(2) instancePositions64Low: vec3<f32>,
  @location(3) instanceRadius: f32,
  @location(4) instanceLineWidths: f32,
  @location(5) instanceFillColors: vec4<f32>,
  @location(6) instanceLineColors: vec4<f32>,
  @location(7) instancePixelOffset: vec2<f32>,
  PICKING_COLOR_ATTRIBUTE
};

struct Varyings {
  @builtin(position) position: vec4<f32>,
  @location(0) vFillColor: vec4<f32>,
  @location(1) vLineColor: vec4<f32>,
  @location(2) unitPosition: vec2<f32>,
  @location(3) innerUnitRadius: f32,
  @location(4) outerRadiusPixels: f32,
  @location(5) pickingColor: vec3<f32>,
  @location(6) clipCoordinates: vec2<f32>,
};

@vertex
fn vertexMain(attributes: Attributes) -> Varyings {
  var varyings: Varyings;

  // Draw an inline geometry constant array clip space triangle to verify that rendering works.
  // var positions = array<vec2<f32>, 3>(vec2(0.0, 0.5), vec2(-0.5, -0.5), vec2(0.5, -0.5));
  // if (attributes.instanceIndex == 0) {
  //   varyings.position = vec4<f32>(positions[attributes.vertexIndex], 0.0, 1.0);
  //   return varyings;
  // }

  geometry.worldPosition = attributes.instancePositions;

  // Multiply out radius and clamp to limits
  varyings.outerRadiusPixels = clamp(
    project_unit_size_to_pixel(scatterplot.radiusScale * attributes.instanceRadius, scatterplot.radiusUnits),
    scatterplot.radiusMinPixels, scatterplot.radiusMaxPixels
  );

  // Multiply out line width and clamp to limits
  let lineWidthPixels = clamp(
    project_unit_size_to_pixel(scatterplot.lineWidthScale * attributes.instanceLineWidths, scatterplot.lineWidthUnits),
    scatterplot.lineWidthMinPixels, scatterplot.lineWidthMaxPixels
  );

  // outer radius needs to offset by half stroke width
  varyings.outerRadiusPixels += scatterplot.stroked * lineWidthPixels / 2.0;
  // Expand geometry to accommodate edge smoothing
  // WGSL selects the second value when the condition is true, so keep the antialiased path second.
  let edgePadding = select(
    1.0,
    (varyings.outerRadiusPixels + SMOOTH_EDGE_RADIUS) / varyings.outerRadiusPixels,
    scatterplot.antialiasing != 0
  );

  // position on the containing square in [-1, 1] space
  varyings.unitPosition = edgePadding * attributes.positions.xy;
  geometry.uv = varyings.unitPosition;
  geometry.pickingColor = PICKING_COLOR_VALUE;

  varyings.innerUnitRadius = 1.0 - scatterplot.stroked * lineWidthPixels / varyings.outerRadiusPixels;

  if (scatterplot.billboard != 0) {
    let projectedPosition = project_position_to_clipspace_and_commonspace(
      attributes.instancePositions,
      attributes.instancePositions64Low,
      vec3<f32>(0.0)
    );
    geometry.position = projectedPosition.commonPosition;
    varyings.position = projectedPosition.clipPosition;
    // DECKGL_FILTER_GL_POSITION(varyings.position, geometry);
    var offset = edgePadding * attributes.positions * varyings.outerRadiusPixels;
    offset = vec3<f32>(offset.xy + attributes.instancePixelOffset, offset.z);
    // DECKGL_FILTER_SIZE(offset, geometry);
    let clipPixels = project_pixel_size_to_clipspace(offset.xy);
    varyings.position = vec4<f32>(varyings.position.x + clipPixels.x, varyings.position.y + clipPixels.y, varyings.position.z, varyings.position.w);
    geometry.position = vec4<f32>(
      geometry.position.xy + project_pixel_size_vec2(offset.xy),
      geometry.position.zw
    );
  } else {
    var offset = edgePadding * attributes.positions * project_pixel_size_float(varyings.outerRadiusPixels);
    offset = vec3<f32>(offset.xy + project_pixel_size_vec2(attributes.instancePixelOffset), offset.z);
    // DECKGL_FILTER_SIZE(offset, geometry);
    let projectedPosition = project_position_to_clipspace_and_commonspace(
      attributes.instancePositions,
      attributes.instancePositions64Low,
      offset
    );
    geometry.position = projectedPosition.commonPosition;
    varyings.position = projectedPosition.clipPosition;
    // DECKGL_FILTER_GL_POSITION(varyings.position, geometry);
  }

  varyings.clipCoordinates = geometry.position.xy;
  clip_filterPosition(&varyings.position, geometry.worldPosition.xy);

  // Apply opacity to instance color, or return instance picking color
  varyings.vFillColor = vec4<f32>(attributes.instanceFillColors.rgb, attributes.instanceFillColors.a * layer.opacity);
  // DECKGL_FILTER_COLOR(varyings.vFillColor, geometry);
  varyings.vLineColor = vec4<f32>(attributes.instanceLineColors.rgb, attributes.instanceLineColors.a * layer.opacity);
  // DECKGL_FILTER_COLOR(varyings.vLineColor, geometry);
  varyings.pickingColor = geometry.pickingColor;

  return varyings;
}

@fragment
fn fragmentMain(varyings: Varyings) -> @location(0) vec4<f32> {
  // var geometry: Geometry;
  // geometry.uv = unitPosition;

  let distToCenter = length(varyings.unitPosition) * varyings.outerRadiusPixels;
  let inCircle = select(
    step(distToCenter, varyings.outerRadiusPixels),
    smoothedge(distToCenter, varyings.outerRadiusPixels),
    scatterplot.antialiasing != 0
  );

  if (inCircle == 0.0) {
    discard;
  }

  var fragColor: vec4<f32>;

  if (scatterplot.stroked != 0) {
    let isLine = select(
      step(varyings.innerUnitRadius * varyings.outerRadiusPixels, distToCenter),
      smoothedge(varyings.innerUnitRadius * varyings.outerRadiusPixels, distToCenter),
      scatterplot.antialiasing != 0
    );

    if (scatterplot.filled != 0) {
      fragColor = mix(varyings.vFillColor, varyings.vLineColor, isLine);
    } else {
      if (isLine == 0.0) {
        discard;
      }
      fragColor = vec4<f32>(varyings.vLineColor.rgb, varyings.vLineColor.a * isLine);
    }
  } else if (scatterplot.filled == 0) {
    discard;
  } else {
    fragColor = varyings.vFillColor;
  }

  fragColor.a *= inCircle;

  clip_filterColor(varyings.clipCoordinates);

  if (picking.isActive > 0.5) {
    if (!picking_isColorValid(varyings.pickingColor)) {
      discard;
    }
    return vec4<f32>(varyings.pickingColor, 1.0);
  }

  if (picking.isHighlightActive > 0.5) {
    let highlightedObjectColor = picking_normalizeColor(picking.highlightedObjectColor);
    if (picking_isColorZero(abs(varyings.pickingColor - highlightedObjectColor))) {
      let highLightAlpha = picking.highlightColor.a;
      let blendedAlpha = highLightAlpha + fragColor.a * (1.0 - highLightAlpha);
      if (blendedAlpha > 0.0) {
        let highLightRatio = highLightAlpha / blendedAlpha;
        fragColor = vec4<f32>(
          mix(fragColor.rgb, picking.highlightColor.rgb, highLightRatio),
          blendedAlpha
        );
      } else {
        fragColor = vec4<f32>(fragColor.rgb, 0.0);
      }
    }
  }

  // Apply premultiplied alpha as required by transparent canvas
  fragColor = deckgl_premultiplied_alpha(fragColor);

  return fragColor;
  // return vec4<f32>(0, 0, 1, 1);
}
`;function RS(t){return oF.replace("PICKING_COLOR_ATTRIBUTE",t?"@location(8) rowIndexes: u32,":"").replace("PICKING_COLOR_VALUE",t?"picking_getPickingColorFromIndex(attributes.rowIndexes)":"picking_getPickingColorFromIndex(attributes.instanceIndex)")}var aF=`struct ClipUniforms {
  enabled: i32,
  mode: i32,
  bounds: vec4<f32>,
};

@group(2) @binding(auto) var<uniform> clipUniforms: ClipUniforms;

fn clip_isInBounds(coordinates: vec2<f32>) -> bool {
  return coordinates.x >= clipUniforms.bounds.x &&
    coordinates.y >= clipUniforms.bounds.y &&
    coordinates.x < clipUniforms.bounds.z &&
    coordinates.y < clipUniforms.bounds.w;
}

fn clip_filterPosition(position: ptr<function, vec4<f32>>, instanceCoordinates: vec2<f32>) {
  if (
    clipUniforms.enabled != 0 &&
    clipUniforms.mode == 1 &&
    !clip_isInBounds(instanceCoordinates)
  ) {
    *position = vec4<f32>(2.0, 2.0, 2.0, 1.0);
  }
}

fn clip_filterColor(geometryCoordinates: vec2<f32>) {
  if (
    clipUniforms.enabled != 0 &&
    clipUniforms.mode == 0 &&
    !clip_isInBounds(geometryCoordinates)
  ) {
    discard;
  }
}
`,cF={name:"clip",source:aF,props:{},uniforms:{},bindingLayout:[{name:"clip",group:2}],uniformTypes:{enabled:"i32",mode:"i32",bounds:"vec4<f32>"},defaultUniforms:{enabled:0,mode:0,bounds:[0,0,1,1]},getUniforms(t={}){let e={};return t.enabled!==void 0&&(e.enabled=t.enabled?1:0),t.mode!==void 0&&(e.mode=t.mode==="instance"?1:0),t.bounds!==void 0&&(e.bounds=t.bounds),e}},kS=cF;var OS=[0,0,0,255],lF={radiusUnits:"meters",radiusScale:{type:"number",min:0,value:1},radiusMinPixels:{type:"number",min:0,value:0},radiusMaxPixels:{type:"number",min:0,value:Number.MAX_SAFE_INTEGER},lineWidthUnits:"meters",lineWidthScale:{type:"number",min:0,value:1},lineWidthMinPixels:{type:"number",min:0,value:0},lineWidthMaxPixels:{type:"number",min:0,value:Number.MAX_SAFE_INTEGER},stroked:!1,filled:!0,billboard:!1,antialiasing:!0,getPosition:{type:"accessor",value:t=>t.position},getRadius:{type:"accessor",value:1},getFillColor:{type:"accessor",value:OS},getLineColor:{type:"accessor",value:OS},getLineWidth:{type:"accessor",value:1},getPixelOffset:{type:"accessor",value:[0,0]},strokeWidth:{deprecatedFor:"getLineWidth"},outline:{deprecatedFor:"stroked"},getColor:{deprecatedFor:["getFillColor","getLineColor"]}},Oa=class extends It{getShaders(){let e=!!this.props.data?.attributes?.rowIndexes;return super.getShaders({vs:MS,fs:IS,source:RS(e),defines:e?{USE_ROW_INDEXES:!0}:{},modules:[jt,Gt,Yt,CS,...this.context.device.type==="webgpu"?[kS]:[]]})}initializeState(){let e=this.props.data?.attributes?.rowIndexes?{rowIndexes:{size:1,type:"uint32",noAlloc:!0}}:{};this.getAttributeManager().addInstanced({instancePositions:{size:3,type:"float64",fp64:this.use64bitPositions(),transition:!0,accessor:"getPosition"},instanceRadius:{size:1,transition:!0,accessor:"getRadius",defaultValue:1,bufferGroup:"scatterplot-instance-data"},instanceFillColors:{size:this.props.colorFormat.length,transition:!0,type:"unorm8",accessor:"getFillColor",defaultValue:[0,0,0,255],bufferGroup:"scatterplot-instance-data"},instanceLineColors:{size:this.props.colorFormat.length,transition:!0,type:"unorm8",accessor:"getLineColor",defaultValue:[0,0,0,255],bufferGroup:"scatterplot-instance-data"},instanceLineWidths:{size:1,transition:!0,accessor:"getLineWidth",defaultValue:1,bufferGroup:"scatterplot-instance-data"},instancePixelOffset:{size:2,transition:!0,accessor:"getPixelOffset",bufferGroup:"scatterplot-instance-data"},...e})}updateState(e){super.updateState(e),e.changeFlags.extensionsChanged&&(this.state.model?.destroy(),this.state.model=this._getModel(),this.getAttributeManager().invalidateAll())}draw({uniforms:e}){let{radiusUnits:r,radiusScale:n,radiusMinPixels:i,radiusMaxPixels:s,stroked:o,filled:a,billboard:c,antialiasing:l,lineWidthUnits:f,lineWidthScale:u,lineWidthMinPixels:d,lineWidthMaxPixels:h}=this.props,p={stroked:o,filled:a,billboard:c,antialiasing:l,radiusUnits:Pe[r],radiusScale:n,radiusMinPixels:i,radiusMaxPixels:s,lineWidthUnits:Pe[f],lineWidthScale:u,lineWidthMinPixels:d,lineWidthMaxPixels:h},m=this.state.model;m.shaderInputs.setProps({scatterplot:p}),m.draw(this.context.renderPass)}_getModel(){let e=[-1,-1,0,1,-1,0,-1,1,0,1,1,0];return new Ae(this.context.device,{...this.getShaders(),id:this.props.id,bufferLayout:this.getAttributeManager().getBufferLayouts(),geometry:new tt({topology:"triangle-strip",attributes:{positions:{size:3,value:new Float32Array(e)}}}),isInstanced:!0})}};Oa.defaultProps=lF;Oa.layerName="ScatterplotLayer";var Zf=Oa;var BS=`layout(std140) uniform sdfUniforms {
  float gamma;
  bool enabled;
  float buffer;
  float outlineBuffer;
  vec4 outlineColor;
} sdf;
`,DS={name:"sdf",vs:BS,fs:BS,uniformTypes:{gamma:"f32",enabled:"f32",buffer:"f32",outlineBuffer:"f32",outlineColor:"vec4<f32>"}};var Ba={none:0,start:1,center:2,end:3},fF=`layout(std140) uniform textUniforms {
  highp vec2 cutoffPixels;
  highp ivec2 align;
  highp float fontSize;
  bool flipY;
} text;

#define ALIGN_MODE_START ${Ba.start}
#define ALIGN_MODE_CENTER ${Ba.center}
#define ALIGN_MODE_END ${Ba.end}
`,Kf={name:"text",vs:fF,getUniforms:({contentCutoffPixels:t=[0,0],contentAlignHorizontal:e="none",contentAlignVertical:r="none",fontSize:n,viewport:i})=>({cutoffPixels:t,align:[Ba[e],Ba[r]],fontSize:n,flipY:i?.flipY??!1}),uniformTypes:{cutoffPixels:"vec2<f32>",align:"vec2<i32>",fontSize:"f32",flipY:"f32"}};var NS=`#version 300 es
#define SHADER_NAME multi-icon-layer-vertex-shader
in vec2 positions;
in vec3 instancePositions;
in vec3 instancePositions64Low;
in float instanceSizes;
in float instanceAngles;
in vec4 instanceColors;
in float rowIndexes;
in vec4 instanceIconFrames;
in float instanceColorModes;
in vec2 instanceOffsets;
in vec2 instancePixelOffset;
in vec4 instanceClipRect;
out float vColorMode;
out vec4 vColor;
out vec2 vTextureCoords;
out vec2 uv;
vec2 rotate_by_angle(vec2 vertex, float angle) {
float angle_radian = angle * PI / 180.0;
float cos_angle = cos(angle_radian);
float sin_angle = sin(angle_radian);
mat2 rotationMatrix = mat2(cos_angle, -sin_angle, sin_angle, cos_angle);
return rotationMatrix * vertex;
}
float getPixelOffsetFromAlignment(float anchor, float extent, float clipStart, float clipEnd, int mode) {
if (clipEnd < clipStart) return 0.0;
if (mode == ALIGN_MODE_START) {
return max(- (anchor + clipStart), 0.0);
}
if (mode == ALIGN_MODE_CENTER) {
float _min = max(0., anchor + clipStart);
float _max = min(extent, anchor + clipEnd);
return _min < _max ? (_min + _max) / 2.0 - anchor : 0.0;
}
if (mode == ALIGN_MODE_END) {
return min(extent - (anchor + clipEnd), 0.);
}
return 0.0;
}
void main(void) {
geometry.worldPosition = instancePositions;
geometry.uv = positions;
geometry.pickingColor = picking_getPickingColorFromIndex(rowIndexes);
uv = positions;
vec2 iconSize = instanceIconFrames.zw;
float sizePixels = clamp(
project_size_to_pixel(instanceSizes * icon.sizeScale, icon.sizeUnits),
icon.sizeMinPixels, icon.sizeMaxPixels
);
float instanceScale = sizePixels / text.fontSize;
vec2 pixelOffset = positions / 2.0 * iconSize + instanceOffsets;
pixelOffset = rotate_by_angle(pixelOffset, instanceAngles) * instanceScale;
pixelOffset += instancePixelOffset;
pixelOffset.y *= -1.0;
vec2 anchorPosScreen;
if (icon.billboard)  {
gl_Position = project_position_to_clipspace(instancePositions, instancePositions64Low, vec3(0.0), geometry.position);
anchorPosScreen = gl_Position.xy / gl_Position.w;
DECKGL_FILTER_GL_POSITION(gl_Position, geometry);
vec3 offset = vec3(pixelOffset, 0.0);
DECKGL_FILTER_SIZE(offset, geometry);
gl_Position.xy += project_pixel_size_to_clipspace(offset.xy);
} else {
vec3 offset_common = vec3(project_pixel_size(pixelOffset), 0.0);
if (text.flipY) {
offset_common.y *= -1.;
}
DECKGL_FILTER_SIZE(offset_common, geometry);
vec4 anchorPos = project_position_to_clipspace(instancePositions, instancePositions64Low, vec3(0.0));
anchorPosScreen = anchorPos.xy / anchorPos.w;
gl_Position = project_position_to_clipspace(instancePositions, instancePositions64Low, offset_common, geometry.position);
DECKGL_FILTER_GL_POSITION(gl_Position, geometry);
}
anchorPosScreen = vec2(anchorPosScreen.x + 1.0, 1.0 - anchorPosScreen.y) / 2.0 * project.viewportSize / project.devicePixelRatio;
vec2 xy = project_size_to_pixel(instanceClipRect.xy);
vec2 wh = project_size_to_pixel(instanceClipRect.zw);
if (text.flipY) {
xy.y = -xy.y - wh.y;
}
if (text.align.x > 0 || text.align.y > 0) {
vec2 viewportPixels = project.viewportSize / project.devicePixelRatio;
vec2 scrollPixels = vec2(
getPixelOffsetFromAlignment(anchorPosScreen.x, viewportPixels.x, xy.x, xy.x + wh.x, text.align.x),
-getPixelOffsetFromAlignment(anchorPosScreen.y, viewportPixels.y, -xy.y - wh.y, -xy.y, text.align.y)
);
pixelOffset += scrollPixels;
gl_Position.xy += project_pixel_size_to_clipspace(scrollPixels);
}
if (instanceClipRect.z >= 0.) {
if (pixelOffset.x < xy.x || pixelOffset.x > xy.x + wh.x) {
gl_Position = vec4(0.0);
}
else if (text.cutoffPixels.x > 0.) {
float vpWidth = project.viewportSize.x / project.devicePixelRatio;
float l = max(anchorPosScreen.x + xy.x, 0.0);
float r = min(anchorPosScreen.x + xy.x + wh.x, vpWidth);
if (r - l < text.cutoffPixels.x) {
gl_Position = vec4(0.0);
}
}
}
if (instanceClipRect.w >= 0.) {
if (pixelOffset.y < xy.y || pixelOffset.y > xy.y + wh.y) {
gl_Position = vec4(0.0);
}
else if (text.cutoffPixels.y > 0.) {
float vpHeight = project.viewportSize.y / project.devicePixelRatio;
float t = max(anchorPosScreen.y - xy.y - wh.y, 0.0);
float b = min(anchorPosScreen.y - xy.y, vpHeight);
if (b - t < text.cutoffPixels.y) {
gl_Position = vec4(0.0);
}
}
}
vTextureCoords = mix(
instanceIconFrames.xy,
instanceIconFrames.xy + iconSize,
(positions.xy + 1.0) / 2.0
) / icon.iconsTextureDim;
vColor = instanceColors;
DECKGL_FILTER_COLOR(vColor, geometry);
vColorMode = instanceColorModes;
}
`;var FS=`#version 300 es
#define SHADER_NAME multi-icon-layer-fragment-shader
precision highp float;
uniform sampler2D iconsTexture;
in vec4 vColor;
in vec2 vTextureCoords;
in vec2 uv;
out vec4 fragColor;
void main(void) {
geometry.uv = uv;
if (!bool(picking.isActive)) {
float alpha = texture(iconsTexture, vTextureCoords).a;
vec4 color = vColor;
if (sdf.enabled) {
float distance = alpha;
alpha = smoothstep(sdf.buffer - sdf.gamma, sdf.buffer + sdf.gamma, distance);
if (sdf.outlineBuffer > 0.0) {
float inFill = alpha;
float inBorder = smoothstep(sdf.outlineBuffer - sdf.gamma, sdf.outlineBuffer + sdf.gamma, distance);
color = mix(sdf.outlineColor, vColor, inFill);
alpha = inBorder;
}
}
float a = alpha * color.a;
if (a < icon.alphaCutoff) {
discard;
}
fragColor = vec4(color.rgb, a * layer.opacity);
}
DECKGL_FILTER_COLOR(fragColor, geometry);
}
`;function uF({collision:t=!1}={}){return`struct IconUniforms {
  sizeScale: f32,
  iconsTextureDim: vec2<f32>,
  sizeBasis: f32,
  sizeMinPixels: f32,
  sizeMaxPixels: f32,
  billboard: i32,
  sizeUnits: i32,
  alphaCutoff: f32
};

struct TextUniforms {
  cutoffPixels: vec2<f32>,
  align: vec2<i32>,
  fontSize: f32,
  flipY: f32
};

struct SdfUniforms {
  gamma: f32,
  enabled: f32,
  buffer: f32,
  outlineBuffer: f32,
  outlineColor: vec4<f32>
};

${t?`struct CollisionUniforms {
  sort: i32,
  enabled: i32
};
`:""}

const ALIGN_MODE_START: i32 = 1;
const ALIGN_MODE_CENTER: i32 = 2;
const ALIGN_MODE_END: i32 = 3;

@group(0) @binding(auto) var<uniform> icon: IconUniforms;
@group(0) @binding(auto) var<uniform> text: TextUniforms;
@group(0) @binding(auto) var<uniform> sdf: SdfUniforms;
${t?"@group(0) @binding(auto) var<uniform> collision: CollisionUniforms;":""}
@group(0) @binding(auto) var iconsTexture : texture_2d<f32>;
@group(0) @binding(auto) var iconsTextureSampler : sampler;
${t?`@group(0) @binding(auto) var collision_texture : texture_2d<f32>;
`:""}

fn rotate_by_angle(vertex: vec2<f32>, angle_deg: f32) -> vec2<f32> {
  let angle_radian = angle_deg * PI / 180.0;
  let c = cos(angle_radian);
  let s = sin(angle_radian);
  let rotation = mat2x2<f32>(vec2<f32>(c, -s), vec2<f32>(s, c));
  return rotation * vertex;
}

fn get_pixel_offset_from_alignment(
  anchor: f32,
  extent: f32,
  clipStart: f32,
  clipEnd: f32,
  mode: i32
) -> f32 {
  if (clipEnd < clipStart) {
    return 0.0;
  }
  if (mode == ALIGN_MODE_START) {
    return max(-(anchor + clipStart), 0.0);
  }
  if (mode == ALIGN_MODE_CENTER) {
    let minValue = max(0.0, anchor + clipStart);
    let maxValue = min(extent, anchor + clipEnd);
    if (minValue < maxValue) {
      return (minValue + maxValue) / 2.0 - anchor;
    }
    return 0.0;
  }
  if (mode == ALIGN_MODE_END) {
    return min(extent - (anchor + clipEnd), 0.0);
  }
  return 0.0;
}

${t?`fn collision_match(texCoords: vec2<f32>, pickingColor: vec3<f32>) -> f32 {
  let textureSize = vec2<i32>(textureDimensions(collision_texture));
  let pixelCoords = clamp(
    vec2<i32>(texCoords * vec2<f32>(textureSize)),
    vec2<i32>(0),
    textureSize - vec2<i32>(1)
  );
  let collisionPickingColor = textureLoad(collision_texture, pixelCoords, 0);
  let delta = dot(abs(collisionPickingColor.rgb - pickingColor), vec3<f32>(1.0));
  return step(delta, 0.001);
}

fn collision_is_visible(texCoords: vec2<f32>, pickingColor: vec3<f32>) -> f32 {
  if (collision.enabled == 0) {
    return 1.0;
  }

  var accumulator = 0.0;
  let stepSize = vec2<f32>(1.0) / project.viewportSize;

  for (var i: i32 = -2; i <= 2; i = i + 1) {
    for (var j: i32 = -2; j <= 2; j = j + 1) {
      let delta = vec2<f32>(f32(j), f32(i)) * stepSize;
      accumulator = accumulator + collision_match(texCoords + delta, pickingColor);
    }
  }

  return pow(accumulator / 25.0, 2.2);
}
`:""}

struct Attributes {
  @location(0) positions: vec2<f32>,

  @location(1) instancePositions: vec3<f32>,
  @location(2) instancePositions64Low: vec3<f32>,
  @location(3) instanceSizes: f32,
  @location(4) instanceAngles: f32,
  @location(5) instanceColors: vec4<f32>,
  @location(6) instanceIconFrames: vec4<f32>,
  @location(7) instanceColorModes: f32,
  @location(8) instanceOffsets: vec2<f32>,
  @location(9) instancePixelOffset: vec2<f32>,
  @location(10) rowIndexes: u32,
  @location(11) instanceClipRect: vec4<f32>,
  ${t?"@location(12) collisionPriorities: f32,":""}
};

struct Varyings {
  @builtin(position) position: vec4<f32>,

  @location(0) vColorMode: f32,
  @location(1) vColor: vec4<f32>,
  @location(2) vTextureCoords: vec2<f32>,
  @location(3) uv: vec2<f32>,
  @location(4) pickingColor: vec3<f32>,
};

@vertex
fn vertexMain(inp: Attributes) -> Varyings {
  geometry.worldPosition = inp.instancePositions;
  geometry.uv = inp.positions;
  geometry.pickingColor = picking_getPickingColorFromIndex(inp.rowIndexes);

  var outp: Varyings;
  outp.uv = inp.positions;

  let iconSize = inp.instanceIconFrames.zw;

  let sizePixels = clamp(
    project_unit_size_to_pixel(inp.instanceSizes * icon.sizeScale, icon.sizeUnits),
    icon.sizeMinPixels, icon.sizeMaxPixels
  );
  let instanceScale = sizePixels / text.fontSize;

  var pixelOffset = inp.positions / 2.0 * iconSize + inp.instanceOffsets;
  pixelOffset = rotate_by_angle(pixelOffset, inp.instanceAngles) * instanceScale;
  pixelOffset = pixelOffset + inp.instancePixelOffset;
  pixelOffset.y = pixelOffset.y * -1.0;

  var pos: vec4<f32>;
  var anchorPosScreen: vec2<f32>;
  if (icon.billboard != 0) {
    pos = project_position_to_clipspace(inp.instancePositions, inp.instancePositions64Low, vec3<f32>(0.0));
    anchorPosScreen = pos.xy / pos.w;

    let clipOffset = project_pixel_size_to_clipspace(pixelOffset);
    pos = vec4<f32>(pos.x + clipOffset.x, pos.y + clipOffset.y, pos.z, pos.w);
  } else {
    var offsetCommon = vec3<f32>(project_pixel_size_vec2(pixelOffset), 0.0);
    if (text.flipY > 0.5) {
      offsetCommon.y = offsetCommon.y * -1.0;
    }
    let anchorPos = project_position_to_clipspace(inp.instancePositions, inp.instancePositions64Low, vec3<f32>(0.0));
    anchorPosScreen = anchorPos.xy / anchorPos.w;
    pos = project_position_to_clipspace(inp.instancePositions, inp.instancePositions64Low, offsetCommon);
  }

  anchorPosScreen = vec2<f32>(anchorPosScreen.x + 1.0, 1.0 - anchorPosScreen.y) / 2.0 *
    project.viewportSize / project.devicePixelRatio;
  var xy = project_size_vec2(inp.instanceClipRect.xy) * project.scale;
  var wh = project_size_vec2(inp.instanceClipRect.zw) * project.scale;

  if (text.flipY > 0.5) {
    xy.y = -xy.y - wh.y;
  }
  if (text.align.x > 0 || text.align.y > 0) {
    let viewportPixels = project.viewportSize / project.devicePixelRatio;
    let scrollPixels = vec2<f32>(
      get_pixel_offset_from_alignment(anchorPosScreen.x, viewportPixels.x, xy.x, xy.x + wh.x, text.align.x),
      -get_pixel_offset_from_alignment(anchorPosScreen.y, viewportPixels.y, -xy.y - wh.y, -xy.y, text.align.y)
    );
    pixelOffset = pixelOffset + scrollPixels;
    let scrollClipOffset = project_pixel_size_to_clipspace(scrollPixels);
    pos.x = pos.x + scrollClipOffset.x;
    pos.y = pos.y + scrollClipOffset.y;
  }

  if (inp.instanceClipRect.z >= 0.0) {
    if (pixelOffset.x < xy.x || pixelOffset.x > xy.x + wh.x) {
      pos = vec4<f32>(0.0);
    } else if (text.cutoffPixels.x > 0.0) {
      let viewportWidth = project.viewportSize.x / project.devicePixelRatio;
      let left = max(anchorPosScreen.x + xy.x, 0.0);
      let right = min(anchorPosScreen.x + xy.x + wh.x, viewportWidth);
      if (right - left < text.cutoffPixels.x) {
        pos = vec4<f32>(0.0);
      }
    }
  }
  if (inp.instanceClipRect.w >= 0.0) {
    if (pixelOffset.y < xy.y || pixelOffset.y > xy.y + wh.y) {
      pos = vec4<f32>(0.0);
    } else if (text.cutoffPixels.y > 0.0) {
      let viewportHeight = project.viewportSize.y / project.devicePixelRatio;
      let top = max(anchorPosScreen.y - xy.y - wh.y, 0.0);
      let bottom = min(anchorPosScreen.y - xy.y, viewportHeight);
      if (bottom - top < text.cutoffPixels.y) {
        pos = vec4<f32>(0.0);
      }
    }
  }

  ${t?`  if (collision.sort != 0) {
    pos.z = -0.001 * inp.collisionPriorities * pos.w;
  }
  `:""}

  let uvMix = (inp.positions.xy + vec2<f32>(1.0, 1.0)) * 0.5;
  outp.vTextureCoords = mix(inp.instanceIconFrames.xy, inp.instanceIconFrames.xy + iconSize, uvMix) / icon.iconsTextureDim;

  outp.position = pos;
  outp.vColor = inp.instanceColors;
  outp.vColorMode = inp.instanceColorModes;
  outp.pickingColor = picking_getPickingColorFromIndex(inp.rowIndexes);

  return outp;
}

@fragment
fn fragmentMain(inp: Varyings) -> @location(0) vec4<f32> {
  geometry.uv = inp.uv;

  let texColor = textureSample(iconsTexture, iconsTextureSampler, inp.vTextureCoords);
  var alpha = texColor.a;
  var color = inp.vColor;

  if (sdf.enabled > 0.5) {
    let distance = alpha;
    alpha = smoothstep(sdf.buffer - sdf.gamma, sdf.buffer + sdf.gamma, distance);

    if (sdf.outlineBuffer > 0.0) {
      let inFill = alpha;
      let inBorder = smoothstep(sdf.outlineBuffer - sdf.gamma, sdf.outlineBuffer + sdf.gamma, distance);
      color = mix(sdf.outlineColor, inp.vColor, inFill);
      alpha = inBorder;
    }
  } else if (inp.vColorMode == 0.0) {
    color = texColor;
  }

  var a = alpha * color.a * layer.opacity;
  if (a < icon.alphaCutoff) {
    discard;
  }

  if (picking.isActive > 0.5) {
    if (!picking_isColorValid(inp.pickingColor)) {
      discard;
    }
    return vec4<f32>(inp.pickingColor, 1.0);
  }

  ${t?`  let collisionFade = collision_is_visible(inp.position.xy / project.viewportSize, inp.pickingColor);
  a = a * collisionFade;
  if (a <= 0.0001) {
    discard;
  }
  `:""}

  var fragColor = deckgl_premultiplied_alpha(vec4<f32>(color.rgb, a));

  if (picking.isHighlightActive > 0.5) {
    let highlightedObjectColor = picking_normalizeColor(picking.highlightedObjectColor);
    if (picking_isColorZero(abs(inp.pickingColor - highlightedObjectColor))) {
      let highLightAlpha = picking.highlightColor.a;
      let blendedAlpha = highLightAlpha + fragColor.a * (1.0 - highLightAlpha);
      if (blendedAlpha > 0.0) {
        let highLightRatio = highLightAlpha / blendedAlpha;
        fragColor = vec4<f32>(
          mix(fragColor.rgb, picking.highlightColor.rgb, highLightRatio),
          blendedAlpha
        );
      } else {
        fragColor = vec4<f32>(fragColor.rgb, 0.0);
      }
    }
  }

  return fragColor;
}
`}var zS=uF();var xg=192/256;var dF={getIconOffsets:{type:"accessor",value:t=>t.offsets},getContentBox:{type:"accessor",value:[0,0,-1,-1]},fontSize:1,alphaCutoff:.001,smoothing:.1,outlineWidth:0,outlineColor:{type:"color",value:[0,0,0,255]},contentCutoffPixels:{type:"array",value:[0,0]},contentAlignHorizontal:"none",contentAlignVertical:"none"},Da=class extends vS{getShaders(){let e=super.getShaders();return{...e,modules:[...e.modules,Kf,DS],vs:NS,fs:FS,source:zS}}initializeState(){super.initializeState();let e=this.getAttributeManager(),r=e.attributes.instanceIconDefs;r.settings.update=this.calculateInstanceIconDefs,e.addInstanced({rowIndexes:{type:"uint32",size:1,bufferGroup:"icon-instance-data",accessor:(n,{index:i})=>i},instanceClipRect:{size:4,bufferGroup:"icon-instance-data",accessor:"getContentBox",defaultValue:[0,0,-1,-1]}})}updateState(e){super.updateState(e);let{props:r,oldProps:n,changeFlags:i}=e,{outlineColor:s}=r;if(i.extensionsChanged){this.state.fillModel?.destroy();let o=this.context.device.type==="webgpu"?this._getModel(`${this.props.id}-fill`):void 0;this.setState({fillModel:o,models:o?[this.state.model,o]:[this.state.model]})}if(i.updateTriggersChanged&&(i.updateTriggersChanged.getIcon||i.updateTriggersChanged.getIconOffsets)&&this.getAttributeManager().invalidate("instanceIconDefs"),s!==n.outlineColor){let o=[s[0]/255,s[1]/255,s[2]/255,(s[3]??255)/255];this.setState({outlineColor:o})}!r.sdf&&r.outlineWidth&&D.warn(`${this.id}: fontSettings.sdf is required to render outline`)()}draw(e){let{sdf:r,smoothing:n,fontSize:i,outlineWidth:s,contentCutoffPixels:o,contentAlignHorizontal:a,contentAlignVertical:c}=this.props,{outlineColor:l}=this.state,f=s?Math.max(n,xg*(1-s)):-1,u=this.state.model,d={buffer:xg,outlineBuffer:f,gamma:n,enabled:!!r,outlineColor:l},h={contentCutoffPixels:o,contentAlignHorizontal:a,contentAlignVertical:c,fontSize:i,viewport:this.context.viewport};if(u.shaderInputs.setProps({sdf:d,text:h}),super.draw(e),r&&s){let{iconManager:p}=this.state;if(p.getTexture()){let g=this.state.fillModel||u;g.shaderInputs.setProps({sdf:{...d,outlineBuffer:xg},text:h}),this._drawModel(g)}}}calculateInstanceIconDefs(e,{startRow:r,endRow:n}){let{data:i,getIcon:s,getIconOffsets:o}=this.props,a=e.getVertexOffset(r),c=e.value,{iterable:l,objectInfo:f}=mr(i,r,n);for(let u of l){f.index++;let d=s(u,f),h=o(u,f);if(d){let p=0;for(let m of Array.from(d)){let g=super.getInstanceIconDef(m);g[0]=h[p*2],g[1]+=h[p*2+1],g[6]=1,c.set(g,a),a+=e.size,p++}}}}};Da.defaultProps=dF;Da.layerName="MultiIconLayer";var US=Da;var bg=new Float64Array(256);for(let t=0;t<256;t++){let e=.5-Math.pow(t/255,.45454545454545453);bg[t]=e*Math.abs(e)}bg[255]=-1e20;var Na=class{constructor({fontSize:e=24,buffer:r=3,radius:n=8,cutoff:i=.25,fontFamily:s="sans-serif",fontWeight:o="normal",fontStyle:a="normal",lang:c=null}={}){r=this.buffer=Math.round(r),this.radius=n,this.cutoff=i,this.lang=c;let l=this.size=Math.ceil(e)+r*4,f=this._createCanvas(l),u=this.ctx=f.getContext("2d",{willReadFrequently:!0});u.font=`${a} ${o} ${e}px ${s}`,u.textBaseline="alphabetic",u.textAlign="left",u.fillStyle="black",c&&(u.lang=c);let h=(this.maxGlyphDim=l-r)+2*r;this.gridOuter=new Float64Array(h*h),this.gridInner=new Float64Array(h*h),this.f=new Float64Array(h),this.z=new Float64Array(h+1),this.v=new Uint16Array(h)}_createCanvas(e){if(typeof OffscreenCanvas<"u")return new OffscreenCanvas(e,e);let r=document.createElement("canvas");return r.width=r.height=e,r}draw(e){let{width:r,actualBoundingBoxAscent:n,actualBoundingBoxDescent:i,actualBoundingBoxLeft:s,actualBoundingBoxRight:o}=this.ctx.measureText(e),a=Math.ceil(n),c=Math.floor(-s),l=Math.max(0,Math.min(this.maxGlyphDim,Math.ceil(o)-c)),f=Math.max(0,Math.min(this.maxGlyphDim,a+Math.ceil(i))),u=l+2*this.buffer,d=f+2*this.buffer,h=u*d,p=new Uint8ClampedArray(h),m={data:p,width:u,height:d,glyphWidth:l,glyphHeight:f,glyphTop:a,glyphLeft:c,glyphAdvance:r};if(l===0||f===0)return m;let{ctx:g,buffer:y,gridInner:_,gridOuter:x}=this;g.clearRect(y,y,l,f),g.fillText(e,y-c,y+a);let w=g.getImageData(y,y,l,f);x.fill(1e20,0,h),_.fill(0,0,h);let v=3;for(let C=0;C<f;C++){let T=(C+y)*u+y;for(let O=0;O<l;O++,v+=4,T++){let k=w.data[v];if(k===0)continue;let M=bg[k];x[T]=Math.max(0,M),_[T]=Math.max(0,-M)}}$S(x,0,0,u,d,u,this.f,this.v,this.z,y);let S=Math.min(y,1);$S(_,y-S,y-S,l+2*S,f+2*S,u,this.f,this.v,this.z);let A=255/this.radius,L=255*(1-this.cutoff);for(let C=0;C<h;C++){let T=Math.sqrt(x[C])-Math.sqrt(_[C]);p[C]=L-A*T}return m}};function $S(t,e,r,n,i,s,o,a,c,l=0){for(let f=e+l;f<e+n-l;f++)GS(t,r*s+f,s,i,o,a,c);for(let f=r;f<r+i;f++)GS(t,f*s+e,1,n,o,a,c)}function GS(t,e,r,n,i,s,o){s[0]=0,o[0]=-1e20,o[1]=1e20,i[0]=t[e];for(let a=1,c=0;a<n;a++){let l=i[a]=t[e+a*r],f=a*a,u;do{let d=s[c];u=(l-i[d]+f-d*d)/(a-d)/2}while(u<=o[c]&&--c>-1);c++,s[c]=a,o[c]=u,o[c+1]=1e20}for(let a=0,c=0;a<n;a++){for(;o[c+1]<a;)c++;let l=s[c],f=a-l;t[e+a*r]=i[l]+f*f}}var hF=32,pF=[];function mF(t){return Math.pow(2,Math.ceil(Math.log2(t)))}function VS({characterSet:t,measureText:e,buffer:r,maxCanvasWidth:n,mapping:i={},xOffset:s=0,yOffsetMin:o=0,yOffsetMax:a=0}){let l=s,f=o,u=a;for(let d of t)if(!i[d]){let{advance:h,width:p,ascent:m,descent:g}=e(d),y=m+g;l+p+r*2>n&&(l=0,f=u),i[d]={x:l+r,y:f+r,width:p,height:y,advance:h,anchorX:p/2,anchorY:m},l+=p+r*2,u=Math.max(u,f+y+r*2)}return{mapping:i,xOffset:l,yOffsetMin:f,yOffsetMax:u,canvasHeight:mF(u)}}function WS(t,e,r,n){let i=0;for(let s=e;s<r;s++){let o=t[s];i+=n[o]?.advance||0}return i}function jS(t,e,r,n,i,s){let o=e,a=0;for(let c=e;c<r;c++){let l=WS(t,c,c+1,i);a+l>n&&(o<c&&s.push(c),o=c,a=0),a+=l}return a}function gF(t,e,r,n,i,s){let o=e,a=e,c=e,l=0;for(let f=e;f<r;f++)if((t[f]===" "||t[f+1]===" "||f+1===r)&&(c=f+1),c>a){let u=WS(t,a,c,i);l+u>n&&(o<a&&(s.push(a),o=a,l=0),u>n&&(u=jS(t,a,c,n,i,s),o=s[s.length-1])),a=c,l+=u}return l}function yF(t,e,r,n,i=0,s){s===void 0&&(s=t.length);let o=[];return e==="break-all"?jS(t,i,s,r,n,o):gF(t,i,s,r,n,o),o}function _F(t,e,r,n,i,s){let o=0,a=0;for(let c=e;c<r;c++){let l=t[c],f=n[l];f&&(a=Math.max(a,f.height))}for(let c=e;c<r;c++){let l=t[c],f=n[l];f?(i[c]=o+f.anchorX,o+=f.advance):(D.warn(`Missing character: ${l} (${l.codePointAt(0)})`)(),i[c]=o,o+=hF)}s[0]=o,s[1]=a}function HS(t,e,r,n,i,s){let o=Array.from(t),a=o.length,c=new Array(a),l=new Array(a),f=new Array(a),u=(n==="break-word"||n==="break-all")&&isFinite(i)&&i>0,d=[0,0],h=[0,0],p=0,m=e+r/2,g=0,y=0;for(let _=0;_<=a;_++){let x=o[_];if((x===`
`||_===a)&&(y=_),y>g){let w=u?yF(o,n,i,s,g,y):pF;for(let v=0;v<=w.length;v++){let S=v===0?g:w[v-1],A=v<w.length?w[v]:y;_F(o,S,A,s,c,h);for(let L=S;L<A;L++)l[L]=m,f[L]=h[0];p++,m+=r,d[0]=Math.max(d[0],h[0])}g=y}x===`
`&&(c[g]=0,l[g]=0,f[g]=0,g++)}return d[1]=p*r,{x:c,y:l,rowWidth:f,size:d}}function YS({value:t,length:e,stride:r,offset:n,startIndices:i,characterSet:s}){let o=t.BYTES_PER_ELEMENT,a=r?r/o:1,c=n?n/o:0,l=i[e]||Math.ceil((t.length-c)/a),f=s&&new Set,u=new Array(e),d=t;if(a>1||c>0){let h=t.constructor;d=new h(l);for(let p=0;p<l;p++)d[p]=t[p*a+c]}for(let h=0;h<e;h++){let p=i[h],m=i[h+1]||l,g=d.subarray(p,m);u[h]=String.fromCodePoint.apply(null,g),f&&g.forEach(f.add,f)}if(f)for(let h of f)s.add(String.fromCodePoint(h));return{texts:u,characterCount:l}}var fs=class{constructor(e=5){this._cache={},this._order=[],this.limit=e}get(e){let r=this._cache[e];return r&&(this._deleteOrder(e),this._appendOrder(e)),r}set(e,r){this._cache[e]?(this.delete(e),this._cache[e]=r,this._appendOrder(e)):(Object.keys(this._cache).length===this.limit&&this.delete(this._order[0]),this._cache[e]=r,this._appendOrder(e))}delete(e){this._cache[e]&&(delete this._cache[e],this._deleteOrder(e))}_deleteOrder(e){let r=this._order.indexOf(e);r>=0&&this._order.splice(r,1)}_appendOrder(e){this._order.push(e)}};function xF(){let t=[];for(let e=32;e<128;e++)t.push(String.fromCharCode(e));return t}var Hn={fontFamily:"Monaco, monospace",fontWeight:"normal",characterSet:xF(),fontSize:64,buffer:4,sdf:!1,cutoff:.25,radius:12,smoothing:.1},qS=1024,XS=.9,ZS=.3,QS=3,Qf=new fs(QS);function bF(t,e){let r;typeof e=="string"?r=new Set(Array.from(e)):r=new Set(e);let n=Qf.get(t);if(!n)return r;for(let i in n.mapping)r.has(i)&&r.delete(i);return r}function wF(t,e){for(let r=0;r<t.length;r++)e.data[4*r+3]=t[r]}function KS(t,e,r,n){t.font=`${n} ${r}px ${e}`,t.fillStyle="#000",t.textBaseline="alphabetic",t.textAlign="left"}function vF(t,e,r){if(r===void 0){let i=t.measureText("A");return i.fontBoundingBoxAscent?{advance:0,width:0,ascent:Math.ceil(i.fontBoundingBoxAscent),descent:Math.ceil(i.fontBoundingBoxDescent)}:{advance:0,width:0,ascent:e*XS,descent:e*ZS}}let n=t.measureText(r);return n.actualBoundingBoxAscent?{advance:n.width,width:Math.ceil(n.actualBoundingBoxRight-n.actualBoundingBoxLeft),ascent:Math.ceil(n.actualBoundingBoxAscent),descent:Math.ceil(n.actualBoundingBoxDescent)}:{advance:n.width,width:n.width,ascent:e*XS,descent:e*ZS}}function JS(t){D.assert(Number.isFinite(t)&&t>=QS,"Invalid cache limit"),Qf=new fs(t)}var Fa=class{constructor(){this.props={...Hn}}get atlas(){return this._atlas}get mapping(){return this._atlas&&this._atlas.mapping}setProps(e={}){Object.assign(this.props,e),e._getFontRenderer&&(this._getFontRenderer=e._getFontRenderer),this._key=this._getKey();let r=bF(this._key,this.props.characterSet),n=Qf.get(this._key);if(n&&r.size===0){this._atlas!==n&&(this._atlas=n);return}let i=this._generateFontAtlas(r,n);this._atlas=i,Qf.set(this._key,i)}_generateFontAtlas(e,r){let{fontFamily:n,fontWeight:i,fontSize:s,buffer:o,sdf:a,radius:c,cutoff:l}=this.props,f=r&&r.data;f||(f=document.createElement("canvas"),f.width=qS);let u=f.getContext("2d",{willReadFrequently:!0});KS(u,n,s,i);let d=w=>vF(u,s,w),h;this._getFontRenderer?h=this._getFontRenderer(this.props):a&&(h={measure:d,draw:EF(this.props)});let{mapping:p,canvasHeight:m,xOffset:g,yOffsetMin:y,yOffsetMax:_}=VS({measureText:w=>h?h.measure(w):d(w),buffer:o,characterSet:e,maxCanvasWidth:qS,...r&&{mapping:r.mapping,xOffset:r.xOffset,yOffsetMin:r.yOffsetMin,yOffsetMax:r.yOffsetMax}});if(f.height!==m){let w=f.height>0?u.getImageData(0,0,f.width,f.height):null;f.height=m,w&&u.putImageData(w,0,0)}if(KS(u,n,s,i),h)for(let w of e){let v=p[w],S=v.width,{data:A,left:L=0,top:C=0}=h.draw(w),T=v.x-L,O=v.y-C,k=Math.max(0,Math.round(T)),M=Math.max(0,Math.round(O)),B=Math.min(A.width,f.width-k),ee=Math.min(A.height,f.height-M);u.putImageData(A,k,M,0,0,B,ee),v.x=k,v.y=M,v.width=B,v.height=ee,v.anchorX+=B/2-L-S/2,v.anchorY+=C}else for(let w of e){let v=p[w];u.fillText(w,v.x,v.y+v.anchorY)}let x=h?h.measure():d();return{baselineOffset:(x.ascent-x.descent)/2,xOffset:g,yOffsetMin:y,yOffsetMax:_,mapping:p,data:f,width:f.width,height:f.height}}_getKey(){let{fontFamily:e,fontWeight:r,fontSize:n,buffer:i,sdf:s,radius:o,cutoff:a}=this.props;return s?`${e} ${r} ${n} ${i} ${o} ${a}`:`${e} ${r} ${n} ${i}`}};function EF({fontSize:t,buffer:e,radius:r,cutoff:n,fontFamily:i,fontWeight:s}){let o=new Na({fontSize:t,buffer:e,radius:r,cutoff:n,fontFamily:i,fontWeight:`${s}`});return a=>{let{data:c,width:l,height:f}=o.draw(a),u=new ImageData(l,f);return wF(c,u),{data:u,left:e,top:e}}}oe();oe();var SF=`struct TextBackgroundUniforms {
  billboard: f32,
  sizeScale: f32,
  sizeMinPixels: f32,
  sizeMaxPixels: f32,
  borderRadius: vec4<f32>,
  padding: vec4<f32>,
  sizeUnits: i32,
  stroked: f32,
};

@group(0) @binding(auto) var<uniform> textBackground: TextBackgroundUniforms;
`,eP=`layout(std140) uniform textBackgroundUniforms {
  bool billboard;
  float sizeScale;
  float sizeMinPixels;
  float sizeMaxPixels;
  vec4 borderRadius;
  vec4 padding;
  highp int sizeUnits;
  bool stroked;
} textBackground;
`,tP={name:"textBackground",source:SF,vs:eP,fs:eP,uniformTypes:{billboard:"f32",sizeScale:"f32",sizeMinPixels:"f32",sizeMaxPixels:"f32",borderRadius:"vec4<f32>",padding:"vec4<f32>",sizeUnits:"i32",stroked:"f32"}};var rP=`#version 300 es
#define SHADER_NAME text-background-layer-vertex-shader
in vec2 positions;
in vec3 instancePositions;
in vec3 instancePositions64Low;
in vec4 instanceRects;
in vec4 instanceClipRect;
in float instanceSizes;
in float instanceAngles;
in vec2 instancePixelOffsets;
in float instanceLineWidths;
in vec4 instanceFillColors;
in vec4 instanceLineColors;
out vec4 vFillColor;
out vec4 vLineColor;
out float vLineWidth;
out vec2 uv;
out vec2 dimensions;
vec2 rotate_by_angle(vec2 vertex, float angle) {
float angle_radian = radians(angle);
float cos_angle = cos(angle_radian);
float sin_angle = sin(angle_radian);
mat2 rotationMatrix = mat2(cos_angle, -sin_angle, sin_angle, cos_angle);
return rotationMatrix * vertex;
}
void main(void) {
geometry.worldPosition = instancePositions;
geometry.uv = positions;
geometry.pickingColor = picking_getPickingColorFromInstanceID();
uv = positions;
vLineWidth = instanceLineWidths;
float sizePixels = clamp(
project_size_to_pixel(instanceSizes * textBackground.sizeScale, textBackground.sizeUnits),
textBackground.sizeMinPixels, textBackground.sizeMaxPixels
);
float instanceScale = sizePixels / text.fontSize;
dimensions = instanceRects.zw * instanceScale + textBackground.padding.xy + textBackground.padding.zw;
vec2 pixelOffset = (positions * instanceRects.zw + instanceRects.xy) * instanceScale + mix(-textBackground.padding.xy, textBackground.padding.zw, positions);
pixelOffset = rotate_by_angle(pixelOffset, instanceAngles);
pixelOffset += instancePixelOffsets;
pixelOffset.y *= -1.0;
vec2 xy = project_size_to_pixel(instanceClipRect.xy);
vec2 wh = project_size_to_pixel(instanceClipRect.zw);
if (text.flipY) {
xy.y = -xy.y - wh.y;
}
if (instanceClipRect.z >= 0.0) {
dimensions.x = wh.x;
pixelOffset.x = xy.x + uv.x * wh.x + mix(-textBackground.padding.x, textBackground.padding.z, uv.x);
}
if (instanceClipRect.w >= 0.0) {
dimensions.y = wh.y;
pixelOffset.y = xy.y + uv.y * wh.y + mix(-textBackground.padding.y, textBackground.padding.w, uv.y);
}
if (textBackground.billboard)  {
gl_Position = project_position_to_clipspace(instancePositions, instancePositions64Low, vec3(0.0), geometry.position);
DECKGL_FILTER_GL_POSITION(gl_Position, geometry);
vec3 offset = vec3(pixelOffset, 0.0);
DECKGL_FILTER_SIZE(offset, geometry);
gl_Position.xy += project_pixel_size_to_clipspace(offset.xy);
} else {
vec3 offset_common = vec3(project_pixel_size(pixelOffset), 0.0);
if (text.flipY) {
offset_common.y *= -1.;
}
DECKGL_FILTER_SIZE(offset_common, geometry);
gl_Position = project_position_to_clipspace(instancePositions, instancePositions64Low, offset_common, geometry.position);
DECKGL_FILTER_GL_POSITION(gl_Position, geometry);
}
vFillColor = vec4(instanceFillColors.rgb, instanceFillColors.a * layer.opacity);
DECKGL_FILTER_COLOR(vFillColor, geometry);
vLineColor = vec4(instanceLineColors.rgb, instanceLineColors.a * layer.opacity);
DECKGL_FILTER_COLOR(vLineColor, geometry);
}
`;var nP=`#version 300 es
#define SHADER_NAME text-background-layer-fragment-shader
precision highp float;
in vec4 vFillColor;
in vec4 vLineColor;
in float vLineWidth;
in vec2 uv;
in vec2 dimensions;
out vec4 fragColor;
float round_rect(vec2 p, vec2 size, vec4 radii) {
vec2 pixelPositionCB = (p - 0.5) * size;
vec2 sizeCB = size * 0.5;
float maxBorderRadius = min(size.x, size.y) * 0.5;
vec4 borderRadius = vec4(min(radii, maxBorderRadius));
borderRadius.xy =
(pixelPositionCB.x > 0.0) ? borderRadius.xy : borderRadius.zw;
borderRadius.x = (pixelPositionCB.y > 0.0) ? borderRadius.x : borderRadius.y;
vec2 q = abs(pixelPositionCB) - sizeCB + borderRadius.x;
return -(min(max(q.x, q.y), 0.0) + length(max(q, 0.0)) - borderRadius.x);
}
float rect(vec2 p, vec2 size) {
vec2 pixelPosition = p * size;
return min(min(pixelPosition.x, size.x - pixelPosition.x),
min(pixelPosition.y, size.y - pixelPosition.y));
}
vec4 get_stroked_fragColor(float dist) {
float isBorder = smoothedge(dist, vLineWidth);
return mix(vFillColor, vLineColor, isBorder);
}
void main(void) {
geometry.uv = uv;
if (textBackground.borderRadius != vec4(0.0)) {
float distToEdge = round_rect(uv, dimensions, textBackground.borderRadius);
float shapeAlpha = smoothedge(-distToEdge, 0.0);
if (shapeAlpha == 0.0) {
discard;
}
if (textBackground.stroked) {
fragColor = get_stroked_fragColor(distToEdge);
} else {
fragColor = vFillColor;
}
fragColor.a *= shapeAlpha;
} else {
if (textBackground.stroked) {
float distToEdge = rect(uv, dimensions);
fragColor = get_stroked_fragColor(distToEdge);
} else {
fragColor = vFillColor;
}
}
DECKGL_FILTER_COLOR(fragColor, geometry);
}
`;var iP=`struct TextUniforms {
  cutoffPixels: vec2<f32>,
  align: vec2<i32>,
  fontSize: f32,
  flipY: f32,
};

@group(0) @binding(auto) var<uniform> text: TextUniforms;

fn rotate_by_angle(vertex: vec2<f32>, angle: f32) -> vec2<f32> {
  let angleRadian = radians(angle);
  let cosine = cos(angleRadian);
  let sine = sin(angleRadian);
  let rotationMatrix = mat2x2<f32>(
    vec2<f32>(cosine, -sine),
    vec2<f32>(sine, cosine)
  );
  return rotationMatrix * vertex;
}

struct Attributes {
  @builtin(instance_index) instanceIndex: u32,
  @location(0) positions: vec2<f32>,
  @location(1) instancePositions: vec3<f32>,
  @location(2) instancePositions64Low: vec3<f32>,
  @location(3) instanceSizes: f32,
  @location(4) instanceAngles: f32,
  @location(5) instanceRects: vec4<f32>,
  @location(6) instanceClipRect: vec4<f32>,
  @location(7) instancePixelOffsets: vec2<f32>,
  @location(8) instanceFillColors: vec4<f32>,
  @location(9) instanceLineColors: vec4<f32>,
  @location(10) instanceLineWidths: f32,
};

struct Varyings {
  @builtin(position) position: vec4<f32>,
  @location(0) vFillColor: vec4<f32>,
  @location(1) vLineColor: vec4<f32>,
  @location(2) vLineWidth: f32,
  @location(3) uv: vec2<f32>,
  @location(4) dimensions: vec2<f32>,
  @location(5) pickingColor: vec3<f32>,
};

@vertex
fn vertexMain(attributes: Attributes) -> Varyings {
  geometry.worldPosition = attributes.instancePositions;
  geometry.uv = attributes.positions;
  geometry.pickingColor = picking_getPickingColorFromIndex(attributes.instanceIndex);

  var varyings: Varyings;
  varyings.uv = attributes.positions;
  varyings.vLineWidth = attributes.instanceLineWidths;

  let sizePixels = clamp(
    project_unit_size_to_pixel(
      attributes.instanceSizes * textBackground.sizeScale,
      textBackground.sizeUnits
    ),
    textBackground.sizeMinPixels,
    textBackground.sizeMaxPixels
  );
  let instanceScale = sizePixels / text.fontSize;

  varyings.dimensions = attributes.instanceRects.zw * instanceScale +
    textBackground.padding.xy + textBackground.padding.zw;

  var pixelOffset =
    (attributes.positions * attributes.instanceRects.zw + attributes.instanceRects.xy) *
      instanceScale +
    mix(-textBackground.padding.xy, textBackground.padding.zw, attributes.positions);
  pixelOffset = rotate_by_angle(pixelOffset, attributes.instanceAngles);
  pixelOffset = pixelOffset + attributes.instancePixelOffsets;
  pixelOffset.y = pixelOffset.y * -1.0;

  var xy = project_size_vec2(attributes.instanceClipRect.xy) * project.scale;
  let wh = project_size_vec2(attributes.instanceClipRect.zw) * project.scale;
  if (text.flipY > 0.5) {
    xy.y = -xy.y - wh.y;
  }
  if (attributes.instanceClipRect.z >= 0.0) {
    varyings.dimensions.x = wh.x;
    pixelOffset.x = xy.x + varyings.uv.x * wh.x + mix(
      -textBackground.padding.x,
      textBackground.padding.z,
      varyings.uv.x
    );
  }
  if (attributes.instanceClipRect.w >= 0.0) {
    varyings.dimensions.y = wh.y;
    pixelOffset.y = xy.y + varyings.uv.y * wh.y + mix(
      -textBackground.padding.y,
      textBackground.padding.w,
      varyings.uv.y
    );
  }

  if (textBackground.billboard > 0.5) {
    var position = project_position_to_clipspace(
      attributes.instancePositions,
      attributes.instancePositions64Low,
      vec3<f32>(0.0)
    );
    let clipOffset = project_pixel_size_to_clipspace(pixelOffset);
    position = vec4<f32>(
      position.x + clipOffset.x,
      position.y + clipOffset.y,
      position.z,
      position.w
    );
    varyings.position = position;
  } else {
    var offsetCommon = vec3<f32>(project_pixel_size_vec2(pixelOffset), 0.0);
    if (text.flipY > 0.5) {
      offsetCommon.y = offsetCommon.y * -1.0;
    }
    varyings.position = project_position_to_clipspace(
      attributes.instancePositions,
      attributes.instancePositions64Low,
      offsetCommon
    );
  }

  varyings.vFillColor = vec4<f32>(
    attributes.instanceFillColors.rgb,
    attributes.instanceFillColors.a * layer.opacity
  );
  varyings.vLineColor = vec4<f32>(
    attributes.instanceLineColors.rgb,
    attributes.instanceLineColors.a * layer.opacity
  );
  varyings.pickingColor = geometry.pickingColor;
  return varyings;
}

fn round_rect(point: vec2<f32>, size: vec2<f32>, radii: vec4<f32>) -> f32 {
  let pixelPosition = (point - 0.5) * size;
  let halfSize = size * 0.5;
  let maxBorderRadius = min(size.x, size.y) * 0.5;
  var borderRadius = min(radii, vec4<f32>(maxBorderRadius));

  borderRadius = select(borderRadius.zwxy, borderRadius, pixelPosition.x > 0.0);
  let radius = select(borderRadius.y, borderRadius.x, pixelPosition.y > 0.0);
  let q = abs(pixelPosition) - halfSize + radius;
  return -(min(max(q.x, q.y), 0.0) + length(max(q, vec2<f32>(0.0))) - radius);
}

fn rect(point: vec2<f32>, size: vec2<f32>) -> f32 {
  let pixelPosition = point * size;
  return min(
    min(pixelPosition.x, size.x - pixelPosition.x),
    min(pixelPosition.y, size.y - pixelPosition.y)
  );
}

fn get_stroked_frag_color(
  distanceToEdge: f32,
  lineWidth: f32,
  fillColor: vec4<f32>,
  lineColor: vec4<f32>
) -> vec4<f32> {
  let isBorder = smoothedge(distanceToEdge, lineWidth);
  return mix(fillColor, lineColor, isBorder);
}

@fragment
fn fragmentMain(varyings: Varyings) -> @location(0) vec4<f32> {
  geometry.uv = varyings.uv;
  var fragColor: vec4<f32>;

  if (any(textBackground.borderRadius != vec4<f32>(0.0))) {
    let distanceToEdge = round_rect(
      varyings.uv,
      varyings.dimensions,
      textBackground.borderRadius
    );
    let shapeAlpha = smoothedge(-distanceToEdge, 0.0);
    if (shapeAlpha == 0.0) {
      discard;
    }
    if (textBackground.stroked > 0.5) {
      fragColor = get_stroked_frag_color(
        distanceToEdge,
        varyings.vLineWidth,
        varyings.vFillColor,
        varyings.vLineColor
      );
    } else {
      fragColor = varyings.vFillColor;
    }
    fragColor.a = fragColor.a * shapeAlpha;
  } else if (textBackground.stroked > 0.5) {
    let distanceToEdge = rect(varyings.uv, varyings.dimensions);
    fragColor = get_stroked_frag_color(
      distanceToEdge,
      varyings.vLineWidth,
      varyings.vFillColor,
      varyings.vLineColor
    );
  } else {
    fragColor = varyings.vFillColor;
  }

  if (picking.isActive > 0.5) {
    if (!picking_isColorValid(varyings.pickingColor)) {
      discard;
    }
    return vec4<f32>(varyings.pickingColor, 1.0);
  }

  if (picking.isHighlightActive > 0.5) {
    let highlightedObjectColor = picking_normalizeColor(picking.highlightedObjectColor);
    if (picking_isColorZero(abs(varyings.pickingColor - highlightedObjectColor))) {
      let highlightAlpha = picking.highlightColor.a;
      let blendedAlpha = highlightAlpha + fragColor.a * (1.0 - highlightAlpha);
      if (blendedAlpha > 0.0) {
        let highlightRatio = highlightAlpha / blendedAlpha;
        fragColor = vec4<f32>(
          mix(fragColor.rgb, picking.highlightColor.rgb, highlightRatio),
          blendedAlpha
        );
      } else {
        fragColor = vec4<f32>(fragColor.rgb, 0.0);
      }
    }
  }

  return deckgl_premultiplied_alpha(fragColor);
}
`;var PF={billboard:!0,sizeScale:1,sizeUnits:"pixels",sizeMinPixels:0,sizeMaxPixels:Number.MAX_SAFE_INTEGER,fontSize:1,borderRadius:{type:"object",value:0},padding:{type:"array",value:[0,0,0,0]},getPosition:{type:"accessor",value:t=>t.position},getSize:{type:"accessor",value:1},getAngle:{type:"accessor",value:0},getPixelOffset:{type:"accessor",value:[0,0]},getBoundingRect:{type:"accessor",value:[0,0,0,0]},getClipRect:{type:"accessor",value:[0,0,-1,-1]},getFillColor:{type:"accessor",value:[0,0,0,255]},getLineColor:{type:"accessor",value:[0,0,0,255]},getLineWidth:{type:"accessor",value:1}},za=class extends It{getShaders(){return super.getShaders({vs:rP,fs:nP,source:iP,modules:[jt,Gt,Yt,tP,Kf]})}initializeState(){this.getAttributeManager().addInstanced({instancePositions:{size:3,type:"float64",fp64:this.use64bitPositions(),transition:!0,accessor:"getPosition"},instanceSizes:{size:1,transition:!0,bufferGroup:"text-background-instance-data",accessor:"getSize",defaultValue:1},instanceAngles:{size:1,transition:!0,bufferGroup:"text-background-instance-data",accessor:"getAngle"},instanceRects:{size:4,bufferGroup:"text-background-instance-data",accessor:"getBoundingRect"},instanceClipRect:{size:4,bufferGroup:"text-background-instance-data",accessor:"getClipRect",defaultValue:[0,0,-1,-1]},instancePixelOffsets:{size:2,transition:!0,bufferGroup:"text-background-instance-data",accessor:"getPixelOffset"},instanceFillColors:{size:4,transition:!0,type:"unorm8",accessor:"getFillColor",defaultValue:[0,0,0,255]},instanceLineColors:{size:4,transition:!0,type:"unorm8",accessor:"getLineColor",defaultValue:[0,0,0,255]},instanceLineWidths:{size:1,transition:!0,bufferGroup:"text-background-instance-data",accessor:"getLineWidth",defaultValue:1}})}updateState(e){super.updateState(e);let{changeFlags:r}=e;r.extensionsChanged&&(this.state.model?.destroy(),this.state.model=this._getModel(),this.getAttributeManager().invalidateAll())}draw({uniforms:e}){let{billboard:r,sizeScale:n,sizeUnits:i,sizeMinPixels:s,sizeMaxPixels:o,getLineWidth:a,fontSize:c}=this.props,{padding:l,borderRadius:f}=this.props;l.length<4&&(l=[l[0],l[1],l[0],l[1]]),Array.isArray(f)||(f=[f,f,f,f]);let u=this.state.model,d={billboard:r,stroked:!!a,borderRadius:f,padding:l,sizeUnits:Pe[i],sizeScale:n,sizeMinPixels:s,sizeMaxPixels:o},h={fontSize:c,viewport:this.context.viewport};u.shaderInputs.setProps({textBackground:d,text:h}),u.draw(this.context.renderPass)}_getModel(){let e=[0,0,1,0,0,1,1,1];return new Ae(this.context.device,{...this.getShaders(),id:this.props.id,bufferLayout:this.getAttributeManager().getBufferLayouts(),geometry:new tt({topology:"triangle-strip",vertexCount:4,attributes:{positions:{size:2,value:new Float32Array(e)}}}),isInstanced:!0})}};za.defaultProps=PF;za.layerName="TextBackgroundLayer";var sP=za;var oP={start:1,middle:0,end:-1},aP={top:1,center:0,bottom:-1},wg=[0,0,0,255],TF=1,AF={billboard:!0,sizeScale:1,sizeUnits:"pixels",sizeMinPixels:0,sizeMaxPixels:Number.MAX_SAFE_INTEGER,background:!1,getBackgroundColor:{type:"accessor",value:[255,255,255,255]},getBorderColor:{type:"accessor",value:wg},getBorderWidth:{type:"accessor",value:0},backgroundBorderRadius:{type:"object",value:0},backgroundPadding:{type:"array",value:[0,0,0,0]},characterSet:{type:"object",value:Hn.characterSet},fontFamily:Hn.fontFamily,fontWeight:Hn.fontWeight,lineHeight:TF,outlineWidth:{type:"number",value:0,min:0},outlineColor:{type:"color",value:wg},fontSettings:{type:"object",value:{},compare:1},wordBreak:"break-word",maxWidth:{type:"number",value:-1},contentCutoffPixels:{type:"array",value:[0,0]},contentAlignHorizontal:"none",contentAlignVertical:"none",getText:{type:"accessor",value:t=>t.text},getPosition:{type:"accessor",value:t=>t.position},getColor:{type:"accessor",value:wg},getSize:{type:"accessor",value:32},getAngle:{type:"accessor",value:0},getTextAnchor:{type:"accessor",value:"middle"},getAlignmentBaseline:{type:"accessor",value:"center"},getPixelOffset:{type:"accessor",value:[0,0]},getContentBox:{type:"accessor",value:[0,0,-1,-1]},backgroundColor:{deprecatedFor:["background","getBackgroundColor"]}},Ua=class extends mg{constructor(){super(...arguments),this.getBoundingRect=(e,r)=>{let{size:[n,i]}=this.transformParagraph(e,r),{getTextAnchor:s,getAlignmentBaseline:o}=this.props,a=oP[typeof s=="function"?s(e,r):s],c=aP[typeof o=="function"?o(e,r):o];return[(a-1)*n/2,(c-1)*i/2,n,i]},this.getIconOffsets=(e,r)=>{let{getTextAnchor:n,getAlignmentBaseline:i}=this.props,{x:s,y:o,rowWidth:a,size:[,c]}=this.transformParagraph(e,r),l=oP[typeof n=="function"?n(e,r):n],f=aP[typeof i=="function"?i(e,r):i],u=s.length,d=new Array(u*2),h=0;for(let p=0;p<u;p++)d[h++]=(l-1)*a[p]/2+s[p],d[h++]=(f-1)*c/2+o[p];return d}}initializeState(){this.state={styleVersion:0,fontAtlasManager:new Fa},this.props.maxWidth>0&&D.once(1,"v8.9 breaking change: TextLayer maxWidth is now relative to text size")()}updateState(e){let{props:r,oldProps:n,changeFlags:i}=e;(i.dataChanged||i.updateTriggersChanged&&(i.updateTriggersChanged.all||i.updateTriggersChanged.getText))&&this._updateText(),(this._updateFontAtlas()||r.lineHeight!==n.lineHeight||r.wordBreak!==n.wordBreak||r.maxWidth!==n.maxWidth)&&this.setState({styleVersion:this.state.styleVersion+1})}getPickingInfo({info:e}){return e.object=e.index>=0?this.props.data[e.index]:null,e}_updateFontAtlas(){let{fontSettings:e,fontFamily:r,fontWeight:n,_getFontRenderer:i}=this.props,{fontAtlasManager:s,characterSet:o}=this.state,a={...e,characterSet:o,fontFamily:r,fontWeight:n,_getFontRenderer:i};if(!s.mapping)return s.setProps(a),!0;for(let c in a)if(a[c]!==s.props[c])return s.setProps(a),!0;return!1}_updateText(){let{data:e,characterSet:r}=this.props,n=e.attributes?.getText,{getText:i}=this.props,s=e.startIndices,o,a=r==="auto"&&new Set;if(n&&s){let{texts:c,characterCount:l}=YS({...ArrayBuffer.isView(n)?{value:n}:n,length:e.length,startIndices:s,characterSet:a});o=l,i=(f,{index:u})=>c[u]}else{let{iterable:c,objectInfo:l}=mr(e);s=[0],o=0;for(let f of c){l.index++;let u=Array.from(i(f,l)||"");a&&u.forEach(a.add,a),o+=u.length,s.push(o)}}this.setState({getText:i,startIndices:s,numInstances:o,characterSet:a||r})}transformParagraph(e,r){let{fontAtlasManager:n}=this.state,i=n.mapping,{baselineOffset:s}=n.atlas,{fontSize:o}=n.props,a=this.state.getText,{wordBreak:c,lineHeight:l,maxWidth:f}=this.props,u=a(e,r)||"";return HS(u,s,l*o,c,f*o,i)}renderLayers(){let{startIndices:e,numInstances:r,getText:n,fontAtlasManager:{atlas:i,mapping:s},styleVersion:o}=this.state,{data:a,_dataDiff:c,getPosition:l,getColor:f,getSize:u,getAngle:d,getPixelOffset:h,getBackgroundColor:p,getBorderColor:m,getBorderWidth:g,getContentBox:y,backgroundBorderRadius:_,backgroundPadding:x,background:w,billboard:v,fontSettings:S,outlineWidth:A,outlineColor:L,sizeScale:C,sizeUnits:T,sizeMinPixels:O,sizeMaxPixels:k,contentCutoffPixels:M,contentAlignHorizontal:B,contentAlignVertical:ee,transitions:V,updateTriggers:H}=this.props,Xr=this.getSubLayerClass("characters",US),ps=this.getSubLayerClass("background",sP),{fontSize:ei}=this.state.fontAtlasManager.props;return[w&&new ps({getFillColor:p,getLineColor:m,getLineWidth:g,borderRadius:_,padding:x,getPosition:l,getSize:u,getAngle:d,getPixelOffset:h,getClipRect:y,billboard:v,sizeScale:C,sizeUnits:T,sizeMinPixels:O,sizeMaxPixels:k,fontSize:ei,transitions:V&&{getPosition:V.getPosition,getAngle:V.getAngle,getSize:V.getSize,getFillColor:V.getBackgroundColor,getLineColor:V.getBorderColor,getLineWidth:V.getBorderWidth,getPixelOffset:V.getPixelOffset}},this.getSubLayerProps({id:"background",updateTriggers:{getPosition:H.getPosition,getAngle:H.getAngle,getSize:H.getSize,getFillColor:H.getBackgroundColor,getLineColor:H.getBorderColor,getLineWidth:H.getBorderWidth,getPixelOffset:H.getPixelOffset,getBoundingRect:{getText:H.getText,getTextAnchor:H.getTextAnchor,getAlignmentBaseline:H.getAlignmentBaseline,styleVersion:o}}}),{data:a.attributes&&a.attributes.background?{length:a.length,attributes:a.attributes.background}:a,_dataDiff:c,autoHighlight:!1,getBoundingRect:this.getBoundingRect}),new Xr({sdf:S.sdf,smoothing:Number.isFinite(S.smoothing)?S.smoothing:Hn.smoothing,outlineWidth:A/(S.radius||Hn.radius),outlineColor:L,iconAtlas:i,iconMapping:s,getPosition:l,getColor:f,getSize:u,getAngle:d,getPixelOffset:h,getContentBox:y,billboard:v,sizeScale:C,sizeUnits:T,sizeMinPixels:O,sizeMaxPixels:k,fontSize:ei,contentCutoffPixels:M,contentAlignHorizontal:B,contentAlignVertical:ee,transitions:V&&{getPosition:V.getPosition,getAngle:V.getAngle,getColor:V.getColor,getSize:V.getSize,getPixelOffset:V.getPixelOffset,getContentBox:V.getContentBox}},this.getSubLayerProps({id:"characters",updateTriggers:{all:H.getText,getPosition:H.getPosition,getAngle:H.getAngle,getColor:H.getColor,getSize:H.getSize,getPixelOffset:H.getPixelOffset,getContentBox:H.getContentBox,getIconOffsets:{getTextAnchor:H.getTextAnchor,getAlignmentBaseline:H.getAlignmentBaseline,styleVersion:o}}}),{data:a,_dataDiff:c,startIndices:e,numInstances:r,getIconOffsets:this.getIconOffsets,getIcon:n})]}static set fontAtlasCacheLimit(e){JS(e)}};Ua.defaultProps=AF;Ua.layerName="TextLayer";var $a=Ua;var us=7,Ga=22,LF=5;function Jf(t,e){let{scale:r}=e,n=[...CF(t,r),...MF(t,e)];return e.names?[...n,...IF(t,e)]:n}function CF(t,e){let r=22*e>=us;return t.layout.racks.flatMap(n=>{if(t.layout.tiers){let s=Math.min(n.w/4,Math.max(14,10/e));return s*e<us?[]:[{text:n.name,x:n.x+n.w/2,y:n.title,size:s,on:"rack"}]}let i=r?Math.min(22,Math.max(14,10/e)):Math.min(n.w/3.6,10/e);return i*e<us?[]:[{text:n.name,x:n.x+n.w/2,y:r?n.title:n.y+n.h/2,size:i,on:"rack"}]})}function MF(t,e){let{model:r,layout:n}=t;return n.groups.flatMap((i,s)=>{let o=r.groups.kinds[s]!=="node",a=i.titleSize?Math.min(i.titleSize,Math.max(13,11/e.scale)):13;return a*e.scale<us||!e.has(s)?[]:[{text:cP(r.groups.names[s],i.w/(.56*a)),x:i.titleX??i.x+i.w/2,y:i.title,size:a,faint:!o,on:"node"}]})}function IF(t,{has:e,inView:r}){let{model:n,layout:i}=t,s=[];for(let o=0;o<n.size;o++){let a=i.position[2*o],c=i.position[2*o+1];if(!e(n.group[o])||!r(a,c))continue;let l=cP(n.names[o].split(".").slice(-1)[0],9);l.length<=LF&&!n.vertexGone[o]?s.push({text:l,x:a,y:c,size:3,on:RF(n,o)}):s.push({text:l,x:a,y:c+i.size[o]/2+2.4,size:2.6,faint:!0,on:"node"})}return s}function RF(t,e){return e>=t.endpoints?"chip":Oe(t,e)==="cpu"?"cpu":"die"}function eu(t,{on:e,faint:r}){return e==="die"?t.onDie:e==="cpu"?t.onCpu:r?t.faint:t.text}function tu(t,e,r){return t.flatMap(n=>{if(n.on!==e)return[];let i=Math.min(n.size,Ga/r),s=(.56*[...n.text].length+.5)*i;return[{x:n.x-s/2,y:n.y-.55*i,w:s,h:1.1*i}]})}function cP(t,e){let r=[...t];return r.length<=e?t:`${r.slice(0,Math.max(1,e-1)).join("")}\u2026`}function kF(t,e,r,n,i){let s=0;for(let o=e.begin[i];o<e.begin[i+1];o++){let a=t[e.list[o]*r+n];a>s&&(s=a)}return s}function ru(t,e,r){let n=be(t,e),i=new Uint8Array(4*n.count),s=new Float32Array(n.count),{theme:o,hidden:a,focus:c}=r,l=t.model.planes.map((p,m)=>qe(t.model,o,m)),f=Math.min(170,Math.max(16,2400/Math.sqrt(n.count+1))),u=t.traffic&&r.colour!=="plane"?DF(t,e,r):null,d=r.dead?.marks>0?OF(t,e,n,r.dead):null,h=c||r.quiet?.16:1;for(let p=0;p<n.count;p++){if(a.has(n.plane[p]))continue;let m=n.gone[p]+(d?d[p]:0)>=n.links[p],g=m?o.gone:l[n.plane[p]],y=m?110:f,_=e==="link"||t.layout.tiers?1.1:BF(n,p);if(u&&!m){let w=u.value(p);g=w===0?o.idle:u.colour(p,w),y=w===0?.3*f:Math.min(235,.5*f+25+(e==="link"?.35:.6)*w),_=.8+w/160}d&&d[p]&&!m&&(g=o.gone,y=Math.max(y,110));let x=c&&c(n,p);y=x?Math.max(y,215):y*h,x&&(_+=.6),i[4*p]=g[0],i[4*p+1]=g[1],i[4*p+2]=g[2],i[4*p+3]=y,s[p]=_}return{colours:i,widths:s}}function OF(t,e,r,n){let i=`${e} ${n.version}`;if(t.cache.dead?.key!==i){let s=new Uint32Array(r.count);n.of.forEach((o,a)=>{o&&r.of[a]>=0&&s[r.of[a]]++}),t.cache.dead={key:i,value:s}}return t.cache.dead.value}function BF(t,e){let r=t.bandwidth[e]/56e9;return Number.isFinite(r)?Math.min(5,Math.max(.8,.5+.4*Math.log2(1+r))):2}function DF(t,e,r){let{traffic:n}=t,i=sy(t,e),{bins:s}=n,o=r.bin,a=r.colour==="queue"?n.backlog:n.utilisation;if(o<0)return{value:()=>0,colour:()=>[0,0,0]};let c=d=>kF(a,i,s,o,d),l=r.ramp;if(r.colour!=="class")return{value:c,colour:(d,h)=>[l[3*h],l[3*h+1],l[3*h+2]]};let f=n.labels.map((d,h)=>We(r.theme,h)),u=d=>{let h=-1,p=0;for(let m=i.begin[d];m<i.begin[d+1];m++){let g=i.list[m]*s+o;a[g]>h&&(h=a[g],p=n.main_label[g])}return p};return{value:c,colour:d=>f[u(d)]}}var NF=`
vec2 span = (target.xy - source.xy) * project.viewportSize;
float pixelsLong = max(0.5 * length(span) * project.devicePixelRatio, 1e-3);
float beyond = (2.0 * positions.x - 1.0) * 0.5;
uv.x += beyond / pixelsLong;
gl_Position.xy += project_pixel_size_to_clipspace(normalize(span) * beyond / project.devicePixelRatio);
`,FF=`#version 300 es
#define SHADER_NAME smooth-line-fragment
precision highp float;
in vec4 vColor;
in vec2 uv;
out vec4 fragColor;
void main(void) {
  vec2 inside = vec2(min(uv.x, 1.0 - uv.x), 1.0 - abs(uv.y));
  vec2 covered = clamp(inside / max(fwidth(uv), vec2(1e-6)) + 0.5, 0.0, 1.0);
  fragColor = vec4(vColor.rgb, vColor.a * covered.x * covered.y);
}
`,_t=class extends _g{getShaders(){return{...super.getShaders(),fs:FF,inject:{"vs:#main-end":NF}}}};_t.layerName="SmoothLineLayer";_t.defaultProps={antialiasing:!0};var zF=8e4,UF=205,$F="Inter, system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif";function lP(t,e,r,n,i){let{racks:s,groups:o,rails:a}=GF(t,e,r,n,i),c=VF(t,e,r,n,i),l=r==="link"?[...s,...a,...o,c]:t.layout.tiers?[...s,...o,c,...a]:[...s,c,...o];n.routes&&l.push(HF(t,e,n));let{plates:f,names:u}=KF(t,e,r,n,i);return l.push(...f),l.push(...YF(t,e,r,n,i)),l.push(...XF(t,e,r,n)),l.push(...u),l}function ds(t,e,r,n=255){let i=e.length,s=new Float32Array(2*i),o=new Float32Array(2*i),a=new Float32Array(i);return e.forEach((c,l)=>{s.set([c.x,c.y+c.h/2],2*l),o.set([c.x+c.w,c.y+c.h/2],2*l),a[l]=c.h}),new _t({id:t,data:{length:i,attributes:{getSourcePosition:{value:s,size:2},getTargetPosition:{value:o,size:2},getWidth:{value:a,size:1}}},getColor:[...r,n],widthUnits:"common",updateTriggers:{getColor:r.join()}})}function vg(t,e,r,n,i,s){let o=a=>({x:a.x+s,y:a.y+s,w:a.w-2*s,h:a.h-2*s});return[ds(`${t}:${e}-edge`,r,i),ds(`${t}:${e}`,r.map(o),n)]}function jr(t,e,r,n){let i=t.cache[e];if(i&&i.key===r)return i.value;let s=n();return t.cache[e]={key:r,value:s},s}function GF(t,e,r,n,i){let{layout:s}=t;return jr(t,"boxes",`${e} ${n.themeName} ${r} ${i.key}`,()=>{let{theme:o}=n,a=vg(e,"racks",s.racks,o.rack,o.rackEdge,1.2),c=(d,h)=>s.tiers&&t.model.groups.kinds[h]==="switches",l=d=>s.groups.filter((h,p)=>h&&!!c(h,p)===d),f=vg(e,"groups",l(!1),o.node,o.nodeEdge,.8),u=s.tiers?vg(e,"rails",l(!0),o.node,o.nodeEdge,.8):[];return i.chips&&f.push(ds(`${e}:packages`,s.packages.filter(d=>i.has(d.g)),o.package)),{racks:a,groups:f,rails:u}})}function VF(t,e,r,n,i){let s=be(t,r),o=i.rows&&r==="link"?jr(t,"rows",`${r} ${i.key}`,()=>WF(t,s,i)):null,a=jr(t,"paint",`${r} ${n.key}`,()=>ru(t,r,n)),c=jr(t,"lines",`${e} ${r} ${n.key} ${o?i.key:""}`,()=>{let l=(f,u)=>o?jF(f,u,o):f;return{length:o?o.length:s.count,attributes:{getSourcePosition:{value:jr(t,"from",`${r} ${i.key}`,()=>l(s.source,2)),size:2},getTargetPosition:{value:jr(t,"to",`${r} ${i.key}`,()=>l(s.target,2)),size:2},getColor:{value:l(a.colours,4),size:4,normalized:!0},getWidth:{value:l(a.widths,1),size:1}}}});return new _t({id:`${e}:lines`,data:c,widthUnits:"pixels",widthMinPixels:.5})}function WF(t,e,r){let{group:n,groups:i}=t.model,s=l=>i.kinds[l]==="node",o=r.big&&i.kinds.some((l,f)=>s(f)&&r.has(f)),a=l=>r.has(l)&&(!o||s(l)),c=[];for(let l=0;l<e.count&&c.length<zF;l++)(a(n[e.a[l]])||a(n[e.b[l]]))&&c.push(l);return Uint32Array.from(c)}function jF(t,e,r){let n=new t.constructor(e*r.length);return r.forEach((i,s)=>{for(let o=0;o<e;o++)n[e*s+o]=t[e*i+o]}),n}function HF(t,e,r){let{model:n,layout:i}=t,s=[];for(let a of r.routes(n)){let c=qe(n,r.theme,a.plane),l=Math.max(...a.links.values());for(let[f,u]of a.links)s.push({e:f,colour:[...c,120+135*(u/l)],width:1.2+3*u})}let o=a=>[i.position[2*a],i.position[2*a+1]];return new _t({id:`${e}:routes`,data:s,getSourcePosition:a=>o(n.links.src[a.e]),getTargetPosition:a=>o(n.links.dst[a.e]),getColor:a=>a.colour,getWidth:a=>a.width,widthUnits:"pixels"})}function YF(t,e,r,n,i){return i.chips?jr(t,"chips",`${e} ${n.themeName} ${i.key}`,()=>{let{model:s,layout:o}=t,{theme:a}=n,c={die:[],cpu:[]},l=[],f=[];for(let u=0;u<s.size;u++){if(!i.has(s.group[u]))continue;let d=o.size[u]/2,h=o.position[2*u],p=o.position[2*u+1];if(s.vertexGone[u])f.push({x:h,y:p,half:d});else if(u>=s.endpoints)l.push({x:h,y:p,half:d});else{let m={x:h-d,y:p-d,w:2*d,h:2*d};c[s.kinds[s.kind[u]]==="cpu"?"cpu":"die"].push(m)}}return[ds(`${e}:dies`,c.die,a.die),ds(`${e}:cpus`,c.cpu,a.cpu),fP(`${e}:chips`,l,a.chip,a.chipEdge),...qF(e,f,a)]}):[]}function fP(t,e,r,n){return new Zf({id:t,data:e,getPosition:i=>[i.x,i.y],getRadius:i=>i.half,radiusUnits:"common",stroked:!0,getFillColor:[...r,255],getLineColor:[...n,255],getLineWidth:1.1,lineWidthUnits:"common",updateTriggers:{getFillColor:r.join(),getLineColor:n.join()}})}function qF(t,e,r){if(!e.length)return[];let n=e.flatMap(i=>[{from:[i.x-i.half,i.y-i.half],to:[i.x+i.half,i.y+i.half]},{from:[i.x-i.half,i.y+i.half],to:[i.x+i.half,i.y-i.half]}]);return[fP(`${t}:gone`,e,r.node,r.gone),new _t({id:`${t}:gone-cross`,data:n,getSourcePosition:i=>i.from,getTargetPosition:i=>i.to,getColor:[...r.gone,255],getWidth:2,widthUnits:"common"})]}function XF(t,e,r,n){let{layout:i}=t,s=n.marks(t.model),o=s.vertices.map(({v:c,colour:l})=>({position:[i.position[2*c],i.position[2*c+1]],radius:i.size[c]*.95,colour:l||n.theme.mark})),a=s.groups.flatMap(c=>ZF(i.groups[c]));return[new _t({id:`${e}:frames`,data:a,getSourcePosition:c=>c.from,getTargetPosition:c=>c.to,getColor:[...n.theme.mark,255],getWidth:2,widthUnits:"pixels"}),new Zf({id:`${e}:marks`,data:o,getPosition:c=>c.position,getRadius:c=>c.radius,radiusUnits:"common",radiusMinPixels:7,filled:!1,stroked:!0,getLineColor:c=>[...c.colour,255],getLineWidth:2.5,lineWidthUnits:"pixels"})]}function ZF({x:t,y:e,w:r,h:n}){let i=[[t,e],[t+r,e],[t+r,e+n],[t,e+n]];return i.map((s,o)=>({from:s,to:i[(o+1)%4]}))}function KF(t,e,r,n,i){let s=i.scale.toFixed(i.names?1:2);return jr(t,"labels",`${e} ${n.themeName} ${r} ${s} ${i.key}`,()=>{let o=Jf(t,i);if(!o.length)return{plates:[],names:[]};let{theme:a}=n,c=(l,f)=>ds(`${e}:${l}-plates`,tu(o,l,i.scale),f,UF);return{plates:[c("rack",a.rack),c("node",a.node)],names:[QF(e,o,n)]}})}function QF(t,e,r){return new $a({id:`${t}:labels`,data:e,getText:n=>n.text,getPosition:n=>[n.x,n.y],getSize:n=>n.size,sizeUnits:"common",sizeMaxPixels:Ga,getColor:n=>[...eu(r.theme,n),255],getTextAnchor:"middle",getAlignmentBaseline:"center",characterSet:[...new Set(e.flatMap(n=>[...n.text]))],fontFamily:$F,fontWeight:500,fontSettings:{fontSize:40,buffer:6},updateTriggers:{getColor:r.themeName}})}function Yn(t,e){return t.groups.kinds.flatMap((r,n)=>r===e?[n]:[])}function Va(t,e){return[...t.members.list.subarray(t.members.begin[e],t.members.begin[e+1])]}function nu(t,e){let r=new Map,n=new Map;for(let i of Va(t,e)){let s=i<t.endpoints&&t.package[i]>=0,o=s?r:n,a=s?t.package[i]:t.kind[i];o.has(a)||o.set(a,[]),o.get(a).push(i)}return{packages:[...r.values()],kinds:[...n.values()]}}function iu(t){let e=[...t.groups.filter(Boolean),...t.racks],r=Math.min(...e.map(o=>o.x)),n=Math.min(...e.map(o=>o.y)),i=Math.max(...e.map(o=>o.x+o.w)),s=Math.max(...e.map(o=>o.y+o.h));return{x0:r,y0:n,x1:i,y1:s}}var qn=10,uP=2,Zn=15,JF=19,dP=7,Xn=12,ou=12,su=26,ez=22;function pP(t,e){let r=t.groups.names.map((o,a)=>t.groups.kinds[a]==="node"?tz(t,a):iz(t,a)),n=Yn(t,"node"),i=Yn(t,"switches").sort((o,a)=>t.groups.plane[o]-t.groups.plane[a]||o-a),s=sz(t,r,n,i,e);return oz(t,r,n,i,s)}function tz(t,e){let{packages:r,kinds:n}=nu(t,e),i=rz(r);return n.sort((s,o)=>(o[0]<t.endpoints)-(s[0]<t.endpoints)||s.length-o.length),i.push(...nz(n)),mP(i,!0)}function rz(t){let e=[];for(let r=0;r<t.length;r+=4){let n=t.slice(r,r+4).map(i=>({width:i.length*qn+(i.length-1)*uP+4,package:!0,items:i.map((o,a)=>({v:o,x:2+qn/2+a*(qn+uP),size:qn}))}));e.push({cells:n,height:qn+4,gap:4})}return e}function nz(t){let e=[],r=null;for(let n of t)for(let i=0;i<n.length;i+=8){let s=n.slice(i,i+8),o={width:s.length*Zn,items:s.map((a,c)=>({v:a,x:Zn/2+c*Zn,size:qn}))};r&&r.count+s.length<=6?(r.cells.push(o),r.count+=s.length):(r={cells:[o],count:s.length,height:14,gap:8},e.push(r))}return e}function mP(t,e,r=0){let n=t.map(c=>c.cells.reduce((l,f)=>l+f.width,0)+(c.cells.length-1)*c.gap),i=Math.max(e?52:40,r,...n)+2*dP,s=[],o=[],a=JF;return t.forEach((c,l)=>{let f=(i-n[l])/2;for(let u of c.cells){u.package&&o.push({x:f,y:a,w:u.width,h:c.height});for(let d of u.items)s.push({v:d.v,x:f+d.x,y:a+c.height/2,size:d.size});f+=u.width+c.gap}a+=c.height+5}),{width:i,height:a-5+dP,items:s,boxes:o}}function iz(t,e){let r=Va(t,e),n=Math.max(1,Math.ceil(r.length/(r.length>64?16:8))),i=Math.ceil(r.length/n),s=[];for(let o=0;o<r.length;o+=i){let a=r.slice(o,o+i);s.push({cells:[{width:a.length*Zn,items:a.map((c,l)=>({v:c,x:Zn/2+l*Zn,size:qn+1}))}],height:Zn-3,gap:0})}return mP(s,!1,Math.min(150,7.4*t.groups.names[e].length))}function sz(t,e,r,n,i){let s=Math.max(0,...r.map(u=>e[u].width)),o=Math.max(0,...r.map(u=>e[u].height)),a=t.racks.length>0,c=a?r.filter(u=>t.groups.rack[u]===t.racks[0]).length:1,l=a?t.racks.length:r.length,f=null;for(let u=1;u<=c;u++){let d=Math.ceil(c/u),h=a?u*(s+Xn)-Xn+2*ou:s,p=a?d*(o+Xn)-Xn+ou+su:o,m=a?ez:Xn;for(let g=1;g<=l;g++){let y=Math.ceil(l/g),_=Math.max(g*(h+m)-m,300),x=hP(e,n,_),w=y*(p+m)+x.height+2.2*m,v=(y%2&&n.length&&y>1?.75:1)*(l%g?.8:1),S=Math.max(.72,.92**Math.max(0,y-2)),A=v*S*Math.min(i/x.widest(_),1/w);(!f||A>f.scale*1.001)&&(f={scale:A,inRow:u,columns:g,rows:y,width:_,unitW:h,unitH:p,gap:m,w:s,h:o,strip:x,racked:a})}}return f||{rows:0,columns:1,width:300,strip:hP(e,n,300),gap:20}}function hP(t,e,r){let n=[],i=null;for(let a of e){let{width:c,height:l}=t[a];(!i||i.width+14+c>r)&&(i={groups:[],width:-14,height:0},n.push(i)),i.groups.push(a),i.width+=c+14,i.height=Math.max(i.height,l)}let s=n.reduce((a,c)=>a+c.height+16,0);return{rows:n,height:s,widest:a=>Math.max(a,...n.map(c=>c.width))}}function oz(t,e,r,n,i){let s={position:new Float32Array(2*t.size),size:new Float32Array(t.size),groups:[],racks:[],packages:[],strip:null,bounds:null},o=Math.ceil(i.rows/2),a=n.length?1.6*i.gap:0,c=o*(i.unitH+i.gap)-i.gap+a,l=n.length?c+i.strip.height+a-i.gap:0;return(i.racked?t.racks:r).forEach((u,d)=>{let h=Math.floor(d/i.columns),p=d%i.columns*(i.unitW+i.gap),m=h<o||!n.length?h*(i.unitH+i.gap):l+i.gap+(h-o)*(i.unitH+i.gap),g=h>=o&&n.length>0;i.racked?az(t,e,r,u,p,m,i,g,s):Eg(e,u,p,m,g,s)}),cz(e,i,c,s),s.bounds=iu(s),s}function az(t,e,r,n,i,s,o,a,c){let l=r.filter(u=>t.groups.rack[u]===n),f=a?s+o.unitH-su/2:s+su/2+1;c.racks.push({id:n,name:`rack ${n}`,x:i,y:s,w:o.unitW,h:o.unitH,title:f}),l.forEach((u,d)=>{let h=i+ou+d%o.inRow*(o.w+Xn),p=s+(a?ou:su)+Math.floor(d/o.inRow)*(o.h+Xn);Eg(e,u,h,p,a,c)})}function Eg(t,e,r,n,i,s){let{width:o,height:a,items:c,boxes:l}=t[e],f=(u,d)=>i?a-u-d:u;s.groups[e]={x:r,y:n,w:o,h:a,title:i?n+a-9:n+11};for(let{v:u,x:d,y:h,size:p}of c)s.position[2*u]=r+d,s.position[2*u+1]=n+f(h,0),s.size[u]=p;for(let u of l)s.packages.push({g:e,x:r+u.x,y:n+f(u.y,u.h),w:u.w,h:u.h})}function cz(t,e,r,n){let i=r,s=e.width;for(let o of e.strip.rows){let a=(s-o.width)/2;for(let c of o.groups)Eg(t,c,a,i+(o.height-t[c].height)/2,!1,n),a+=t[c].width+14;i+=o.height+16}}var lz=6e3;function gP(t,e,r){let{model:n,layout:i}=t,s=i.groups.find((p,m)=>p&&n.groups.kinds[m]==="node"),o=i.tiers?qa/5:qa,a=(s?s.w:100)*r>=o||n.size<=200,c=n.size>lz,l=2.6*r>=us,f=(p,m)=>p>=e.x0&&p<=e.x1&&m>=e.y0&&m<=e.y1,u=c||l,d=u?fz(i,e):null,h=!c||d.size<=200;return{chips:a&&h,rows:h&&(l||c&&a),big:c,names:l,has:u?p=>d.has(p):()=>!0,inView:f,scale:r,key:`${a} ${l} ${u?[...d].join():""}`}}function fz(t,{x0:e,x1:r,y0:n,y1:i}){let s=new Set;return t.groups.forEach((o,a)=>{o.x<=r&&o.x+o.w>=e&&o.y<=i&&o.y+o.h>=n&&s.add(a)}),s}function yP(t,e,r,n,i,s,o){let{model:a,layout:c}=t;if(n.chips){let u=null,d=1/0;for(let h=0;h<a.size;h++){let p=Math.abs(c.position[2*h]-i),m=Math.abs(c.position[2*h+1]-s),g=Math.max(p,m);g<=c.size[h]/2+o/2&&g<d&&(d=g,u=h)}if(u!==null)return{type:"vertex",id:u}}let l=uz(t,e,r,i,s,o);if(l>=0)return{type:"line",level:e,id:l};let f=c.groups.findIndex(u=>u&&i>=u.x&&i<=u.x+u.w&&s>=u.y&&s<=u.y+u.h);return f>=0?{type:"group",id:f}:null}function uz(t,e,r,n,i,s){let o=be(t,e),{source:a,target:c}=o,l=-1,f=s;for(let u=0;u<o.count;u++){if(r.hidden.has(o.plane[u]))continue;let d=a[2*u],h=a[2*u+1],p=c[2*u]-d,m=c[2*u+1]-h,g=Math.min(1,Math.max(0,((n-d)*p+(i-h)*m)/(p*p+m*m||1))),y=Math.hypot(d+g*p-n,h+g*m-i);y<f&&(f=y,l=u)}return l}var Hr=10,au=4,dz=2,hz=7,cu=8,_P=5,Sg=6,xP=10,pz=16,mz=96;function lu(t){let{groups:e,links:r}=t,n=Yn(t,"node").length;if(n<2||n>mz||n===e.kinds.length)return!1;for(let i=0;i<t.linkCount;i++){let s=t.group[r.src[i]],o=t.group[r.dst[i]];if(s!==o&&e.kinds[s]==="node"&&e.kinds[o]==="node")return!1}return!0}function Pg(t){let e=t.planes.map(()=>0),{src:r,dst:n,plane:i}=t.links;for(let s=0;s<t.linkCount;s++)t.group[r[s]]!==t.group[n[s]]&&e[i[s]]++;return e.indexOf(Math.max(...e))}function vP(t,e){let r=Yn(t,"node"),n=new Map(r.map(p=>[p,xz(t,p)])),i=Math.max(...r.map(p=>n.get(p).width)),s=Math.max(...r.map(p=>n.get(p).height)),o={tiers:!0,position:new Float32Array(2*t.size),size:new Float32Array(t.size),groups:[],racks:[],packages:[],bounds:null},a=_z(t,r,i),[c,l]=gz(t),f=a.whole/60,u={h:Math.max(18,a.whole/90),step:0};u.step=Math.max(1.5*u.h,Math.min(.075*a.whole,(a.whole/e-s-2*f)/(c.length+l.length+1)));let d=0;for(let p of[...c].reverse())d=wP(t,p,d,a,u,f,o);let h=d;r.forEach((p,m)=>wz(t,n.get(p),p,a.at[m],h,i,s,o)),vz(t,r,a,h,s,i,f,o),d=h+s+3*f,u.step=1.5*u.h;for(let p of l)d=wP(t,p,d,a,u,f,o);return o.ends=Ez(t,n,o,c,l),o.bounds=iu(o),o}function gz(t){let e=Pg(t),r=yz(t),n=Yn(t,"switches").sort((i,s)=>r[i]-r[s]||t.groups.plane[i]-t.groups.plane[s]||i-s);return[n.filter(i=>t.groups.plane[i]===e),n.filter(i=>t.groups.plane[i]!==e)]}function yz(t){let{groups:e,links:r}=t,n=e.kinds.map(i=>i==="node"?0:1/0);for(let i=!0;i;){i=!1;for(let s=0;s<t.linkCount;s++){let o=t.group[r.src[s]],a=t.group[r.dst[s]];n[a]>n[o]+1&&(n[a]=n[o]+1,i=!0)}}return n}function _z(t,e,r){let n=[],i=0;return e.forEach((s,o)=>{o&&(i+=r+(t.groups.rack[s]===t.groups.rack[e[o-1]]?xP:xP+pz)),n.push(i)}),{at:n,whole:i+r}}function xz(t,e){let{packages:r,kinds:n}=nu(t,e),i=n.sort((a,c)=>(a[0]<t.endpoints)-(c[0]<t.endpoints)||c.length-a.length).flatMap(a=>bP(a,8).map(c=>({chips:c,switches:c[0]>=t.endpoints}))),s=bP(r,dz).map(a=>({packages:a,switches:!1})),o=i.filter(a=>a.switches);return bz([...o,...s,...i.filter(a=>!a.switches)])}function bP(t,e){return Array.from({length:Math.ceil(t.length/e)},(r,n)=>t.slice(n*e,(n+1)*e))}function bz(t){let e=a=>a.packages?a.packages.reduce((c,l)=>c+l.length*(Hr+2)+2+au,-au):a.chips.length*cu,r=Math.max(40,...t.map(e))+2*_P,n=[],i=[],s=_P,o=0;for(let a of t){let c=(r-e(a))/2;if(a.packages){for(let l of a.packages){let f=l.length*(Hr+2)+2;i.push({x:c,y:s,w:f,h:Hr+4}),l.forEach((u,d)=>n.push({v:u,x:c+2+Hr/2+d*(Hr+2),y:s+2+Hr/2,size:Hr})),c+=f+au}s+=Hr+4+au}else a.chips.forEach((l,f)=>n.push({v:l,x:c+cu*(f+.5),y:s+cu/2,size:hz})),s+=cu+Sg;a.switches&&(s+=2*Sg,o=s)}return{width:r,height:s+12,items:n,boxes:i,switched:o}}function wz(t,e,r,n,i,s,o,a){let c=n+(s-e.width)/2;a.groups[r]={x:n,y:i,w:s,h:o,title:i+o-8};for(let{v:l,x:f,y:u,size:d}of e.items)a.position[2*l]=c+f,a.position[2*l+1]=i+u,a.size[l]=d;for(let l of e.boxes)a.packages.push({g:r,x:c+l.x,y:i+l.y,w:l.w,h:l.h})}function wP(t,e,r,n,i,s,o){let a=Va(t,e),c=t.groups.names[e],l=.6*s*(c.length+2);return o.groups[e]={x:-l,y:r,w:n.whole+l,h:i.h,title:r+i.h/2,titleX:-l/2,titleSize:s},a.forEach((f,u)=>{o.position[2*f]=n.whole*(u+.5)/a.length,o.position[2*f+1]=r+i.h/2,o.size[f]=Math.min(.7*i.h,.8*n.whole/a.length)}),r+i.step}function vz(t,e,r,n,i,s,o,a){for(let c of t.racks){let l=e.flatMap((d,h)=>t.groups.rack[d]===c?[r.at[h]]:[]),f=Math.min(...l)-5,u=Math.max(...l)+s+5-f;a.racks.push({id:c,name:`rack ${c}`,x:f,y:n-5,w:u,h:i+10+1.3*o,title:n+i+5+.7*o})}}function Ez(t,e,r,n,i){let s=new Map([n,i].flatMap(a=>a.map((c,l)=>[c,(l+1)/(a.length+1)]))),o=(a,c,l)=>[[a,c.y<l.y?c.y+c.h:c.y],[a,c.y<l.y?l.y:l.y+l.h]];return(a,c,l)=>{let[f,u]=[r.groups[a],r.groups[c]];if(a===c){let{switched:p}=e.get(a)||{switched:0},m=f.x+f.w*(l+1)/(t.planes.length+1);return[[m,f.y+p-2.2*Sg],[m,f.y+p]]}let[d,h]=[a,c].map(p=>t.groups.kinds[p]==="node");return o(d?f.x+f.w*s.get(c):h?u.x+u.w*s.get(a):f.x+f.w/2,f,u)}}var Sz=5,Tg={type:"webgl",webgl:{antialias:!1,depth:!1,stencil:!1}};function EP(t){return new la({parent:t,views:new ls({id:"empty"}),viewState:{target:[0,0,0],zoom:0},layers:[],deviceProps:Tg,_typedArrayManagerProps:{overAlloc:1,poolSize:0}})}function SP(t,e,r,n,i){let s={element:t,deck:e,scenes:r,store:n,events:i,size:Lg(t),layouts:new Map};return Ag(s),e.setProps({layerFilter:({layer:o,viewport:a})=>o.id.startsWith(`${a.id}:`),onViewStateChange:({viewState:o})=>{let{target:a,zoom:c}=o;n.set({view:{x:a[0],y:a[1],zoom:Array.isArray(c)?c[0]:c},fitted:!1})},onAfterRender:()=>{s.rendered||=e.props.layers.length>0},getCursor:({isDragging:o})=>o?"grabbing":s.over?"pointer":"grab",onError:o=>i.error(o)}),t.addEventListener("pointerdown",o=>{s.pressed={x:o.clientX,y:o.clientY}}),t.addEventListener("click",o=>{let{x:a,y:c}=s.pressed||{x:o.clientX,y:o.clientY};if(Math.hypot(o.clientX-a,o.clientY-c)>Sz)return;let l=t.getBoundingClientRect();i.click({x:o.clientX-l.left,y:o.clientY-l.top})}),t.addEventListener("pointermove",o=>Lz(s,o)),t.addEventListener("pointerleave",()=>i.hover(null)),s}function Ag(t){let[{width:e,height:r}]=Yr(t),{w:n,h:i}=AP(t),s=n>i,o={x:e-(s?0:n)-30,y:r-PP(t)-(s?i:0)-20},a=o.x/Math.max(60,o.y),c=t.store.state.picture==="tiers",l=c?"tiers":"racks";for(let f of t.scenes){let{model:u}=f,d=t.layouts.get(u)||{},h=c&&lu(u)?vP:pP;d[l]??=h(u,Math.min(4,Math.max(.3,a))),t.layouts.set(u,d),ny(f,d[l])}}function PP(t){return t.store.state.compare&&t.scenes.length>1?50:8}function Lg(t){return{width:t.clientWidth,height:t.clientHeight}}function Yr(t){let{width:e,height:r}=t.size,{state:n}=t.store;if(t.scenes.length<2||!n.compare)return[{scene:t.scenes[0],id:"run0",x:0,y:0,width:e,height:r}];let i=e>=560,s=i?e/2:e,o=i?r:r/2;return t.scenes.map((a,c)=>({scene:a,id:`run${c}`,x:i?c*s:0,y:i?0:c*o,width:s,height:o}))}function Pz(t){return Yr(t).map(({id:e,x:r,y:n,width:i,height:s})=>new ls({id:e,x:r,y:n,width:i,height:s,flipY:!0,controller:{inertia:200,scrollZoom:{speed:.02,smooth:!1},keyboard:!1}}))}function Tz(t){let{view:e}=t.store.state;return Object.fromEntries(Yr(t).map(({id:r})=>[r,{target:[e.x,e.y,0],zoom:e.zoom,minZoom:-6,maxZoom:6}]))}function TP(t,{x0:e,y0:r,x1:n,y1:i},s=4){let{width:o,height:a}=Yr(t)[0],c=PP(t),{w:l,h:f}=AP(t),u=[{left:12,under:f&&f+20},{left:l+24,under:10}].map(({left:d,under:h})=>{let p={x:o-d-12,y:a-c-Math.min(h,a*.4)},m=Math.min(Math.max(40,p.x)/(n-e),Math.max(40,p.y)/(i-r),2**s);return{x:(e+n)/2-(d-12)/2/m,y:(r+i)/2+(a-p.y-2*c)/2/m,zoom:Math.log2(m)}});return u[0].zoom>=u[1].zoom?u[0]:u[1]}function AP(t){let e=document.getElementById("legend");return getComputedStyle(e).position==="absolute"?{w:e.offsetWidth,h:e.offsetHeight}:{w:0,h:0}}function qr(t){let{view:e}=t.store.state,r=TP(t,t.scenes[0].layout.bounds),n=["x","y","zoom"].every(i=>r[i]===e[i]);t.store.set({view:n?e:r,fitted:!0})}function Wa(){return new Promise(requestAnimationFrame)}async function LP(t){return await Wa(),await Wa(),Cg(t)}async function Cg(t){for(;!t.rendered;)await Wa();let e=t.deck.getCanvas().getContext("webgl2"),r=e.fenceSync(e.SYNC_GPU_COMMANDS_COMPLETE,0);e.flush();do await Wa();while(e.getSyncParameter(r,e.SYNC_STATUS)!==e.SIGNALED&&!e.isContextLost());return e.deleteSync(r),await Wa(),!0}function Mg(t,e){let{x0:n,y0:i,x1:s,y1:o}=e;t.store.set({view:TP(t,{x0:n-40,y0:i-40,x1:s+40,y1:o+40},2.5),fitted:!1})}function Kn(t,e){let{state:r}=t.store,n=r.level==="auto"?iy(e,2**r.view.zoom):r.level;return n==="rack"&&(!e.model.racks.length||e.layout.tiers)?"node":n}function Az(t,e){let r={x:t.width/2/2**e.zoom,y:t.height/2/2**e.zoom};return{x0:e.x-r.x,x1:e.x+r.x,y0:e.y-r.y,y1:e.y+r.y}}function fu(t,e){let{view:r}=t.store.state;return gP(e.scene,Az(e,r),2**r.zoom)}function CP(t,e){let{state:r}=t.store,n={};(e.has("compare")||e.has("size"))&&(n.views=Pz(t)),(e.has("view")||e.has("compare")||e.has("size"))&&(n.viewState=Tz(t)),n.layers=Yr(t).flatMap(i=>{let s=Kn(t,i.scene),o=xs(t.scenes,i.scene,s,r);return lP(i.scene,i.id,s,o,fu(t,i))}),t.deck.setProps(n)}function Ig(t,e,r,n=!1){let i=Yr(t).find(d=>e>=d.x&&e<d.x+d.width&&r>=d.y&&r<d.y+d.height);if(!i)return null;let{view:s}=t.store.state,o=2**s.zoom,a=s.x+(e-i.x-i.width/2)/o,c=s.y+(r-i.y-i.height/2)/o,l=Kn(t,i.scene),f=xs(t.scenes,i.scene,l,t.store.state),u=yP(i.scene,l,f,fu(t,i),a,c,(n?9:4)/o);return u?{...u,scene:i.scene}:null}function Lz(t,e){if(e.buttons||e.pointerType==="touch")return t.events.hover(null);let r=t.element.getBoundingClientRect(),n=e.clientX-r.left,i=e.clientY-r.top,s=Ig(t,n,i);return t.over=!!s,t.events.hover(s,n,i)}var Rg=280,uu=12,MP=16;function Cz(t,e){let{src:r,dst:n,plane:i}=t.links,s=new Int32Array(t.size).fill(-1),o=[];for(let a=0;a<t.linkCount;a++){let c=r[a];i[a]===e&&c<t.endpoints&&s[c]<0&&(s[c]=0,o.push(c))}for(;o.length;){let a=[];for(let c of o)for(let l=t.out.begin[c];l<t.out.begin[c+1];l++){let f=t.out.list[l];i[f]!==e||s[n[f]]>=0||(s[n[f]]=s[c]+1,a.push(n[f]))}o=a}return s}function Mz(t,e){let r=new Map;return e.forEach((n,i)=>{n<0||(r.has(n)||r.set(n,new Set),r.get(n).add(xt(Oe(t,i))))}),n=>[...r.get(n)].slice(0,2).join(", ")}function IP(t){let{model:e,traffic:r}=t;return t.cache.tiers??=e.planes.map((n,i)=>Cz(e,i)),e.planes.flatMap((n,i)=>{let s=t.cache.tiers[i],o=new Map,{src:a,dst:c,plane:l}=e.links;for(let f=0;f<e.linkCount;f++){if(l[f]!==i||!r.link_bytes[f])continue;let u=`${s[a[f]]} ${s[c[f]]}`;o.set(u,(o.get(u)||0)+r.link_bytes[f])}return o.size?Iz(o,n.name,i,Mz(e,s)):[]})}function Iz(t,e,r,n){let i=Math.max(...[...t.keys()].map(l=>Math.max(...l.split(" ").map(Number)))),s=[],o=2*Math.max(i,1),a=(l,f,u,d,h)=>{h>0&&s.push({plane:e,p:r,from:l,to:f,a:u,b:d,last:o,amount:h})},c=l=>t.get(`${l} ${l+1}`)||0;for(let l=0;l<i;l++)a(n(l),n(l+1),l,l+1,c(l));for(let l=1;l<i;l++){let f=c(l-1)-c(l);f>1e-6*c(l-1)&&a(n(l),`${n(l)}, turned`,l,o-l,f)}for(let l=i;l>0;l--)a(n(l),n(l-1),o-l,o-l+1,t.get(`${l} ${l-1}`)||0);for(let l=0;l<=i;l++)a(n(l),n(l),l,o-l,t.get(`${l} ${l}`)||0);return s}function RP(t,e,r,n){let i=$("svg",{width:n,height:Rg+40,viewBox:`0 0 ${n} ${Rg+40}`,role:"img","aria-label":"Bytes by tier; the table below has the same"});if(!e.length)return i;let s=Rz(e),o=Math.max(...[...kg(s).values()].map(f=>f.reduce((u,d)=>u+d.amount,0))),a=Math.max(...[...kg(s).values()].map(f=>f.length)),c=(Rg-MP*a)/o,l=f=>10+f.at/f.last*(n-20-uu);for(let f of kg(s).values()){let u=24;for(let d of f)Object.assign(d,{x:l(d),y:u,out:u,into:u}),u+=d.amount*c+MP}for(let f of e)i.append(kz(s,f,c,G(qe(t.model,r,f.p))));for(let f of s.values())i.append(...Oz(f,c,r,n));return i}function Rz(t){let e=new Map,r=(n,i,s)=>{let o=`${n.p} ${i}`;return e.has(o)||e.set(o,{key:i/n.last,at:i,last:n.last,label:s,in:0,go:0,amount:0}),e.get(o)};for(let n of t)r(n,n.a,n.from).go+=n.amount,r(n,n.b,n.to.replace(/, turned$/,"")).in+=n.amount;for(let n of e.values())n.amount=Math.max(n.in,n.go);return e}function kg(t){let e=new Map;for(let r of t.values())e.set(r.key,[...e.get(r.key)||[],r]);return e}function kz(t,e,r,n){let i=t.get(`${e.p} ${e.a}`),s=t.get(`${e.p} ${e.b}`),o=e.amount*r,[a,c,l,f]=[i.x+uu,s.x,i.out,s.into];i.out+=o,s.into+=o;let u=(a+c)/2,d=`M${a} ${l}C${u} ${l} ${u} ${f} ${c} ${f}V${f+o}C${u} ${f+o} ${u} ${l+o} ${a} ${l+o}Z`,h=$("path",{d,fill:n,"fill-opacity":.45});return h.append($("title",{},`${e.plane}: ${e.from} \u2192 ${e.to}, ${Ge(e.amount)}`)),h}function Oz(t,e,r,n){let i=t.at===t.last;return[$("rect",{x:t.x,y:t.y,width:uu,height:Math.max(1,t.amount*e),fill:G(r.die)}),...Bz(t,i,r,(n-20)/t.last)]}function Bz(t,e,r,n){let i=Ge(t.amount),o=[`${t.label}, ${i}`,i].find(a=>6.4*a.length<(e?Math.max(n,170):n));return o?[$("text",{x:e?t.x+uu:t.x,y:t.y-5,"font-size":11,"text-anchor":e?"end":"start",fill:G(r.text)},o)]:[]}function kP(t,e,r){let n=t.getContext("2d"),i=n.createImageData(t.width,t.height),s=Qr(r),o=0;for(let a of e)a>o&&(o=a);for(let a=0;a<e.length;a++){let c=e[a]>0?Math.max(24,Math.round(255*e[a]/o)):-1,[l,f,u]=c<0?r.node:[s[3*c],s[3*c+1],s[3*c+2]];i.data[4*a]=l,i.data[4*a+1]=f,i.data[4*a+2]=u,i.data[4*a+3]=255}n.putImageData(i,0,0)}function du(t,e){return e>1?`ranks ${t*e} to ${(t+1)*e-1}`:`rank ${t}`}function OP(t,e){let r=Math.round(Math.sqrt(t.length)),n=-1,i=0;for(let a=0;a<t.length;a++)t[a]>0&&i++,t[a]>0&&(n<0||t[a]>t[n])&&(n=a);if(n<0)return"No rank has sent anything to another one.";let[s,o]=[Math.floor(n/r),n%r];return`${i} of ${t.length} pairs have sent; most: ${du(s,e)} to ${du(o,e)}, ${Ge(t[n])}.`}function BP(t,e,r,n){let i=t.getBoundingClientRect(),s=t.width,o=Math.min(s-1,Math.max(0,Math.floor((n.clientX-i.left)/i.width*s))),a=Math.min(s-1,Math.max(0,Math.floor((n.clientY-i.top)/i.height*s)));return`${du(a,r)} to ${du(o,r)}: ${Ge(e[a*s+o])}`}var Dz=500,hu=["matrix","flow"];function DP(t,e){return[...e?["tiers"]:[],"racks",...t.traffic?hu:[]]}function NP(t,e){let{state:r}=t.store,n=I("chart"),i=hu.includes(r.picture);if(n.hidden=!i,I("legend").hidden=i,!i||!["start","picture","theme","size","came"].some(a=>e.has(a)))return;let s=performance.now(),{live:o}=t.scenes[0].traffic;e.has("came")&&s-(t.chartDrawn||0)<Dz&&o.end===null||(t.chartDrawn=s,n.replaceChildren(...r.picture==="matrix"?Nz(t):Fz(t)))}function Nz(t){let[e]=t.scenes,{pairs:r,pairs_of:n,lanes:i}=e.traffic,s=Math.round(Math.sqrt(r.length)),o=OP(r,n),a=Math.max(120,Math.min(I("stage").clientWidth-90,I("stage").clientHeight-110)),c=E("canvas",{width:s,height:s,role:"img","aria-label":o,id:"matrix"});c.style.width=c.style.height=`${a}px`,kP(c,r,ae[ne(t.store.state)]),c.addEventListener("pointermove",f=>t.tip(BP(c,r,n,f),f.clientX,f.clientY)),c.addEventListener("pointerleave",()=>t.tip(null));let l=i?i.ranks-1:s*n-1;return[E("h2",{},W(`Bytes from rank to rank: ${e.traffic.title}`)),E("div",{class:"matrix"},E("span",{class:"rows"},"from"),c,E("span",{class:"columns"},`to: rank 0 \u2026 ${Z(l)}`)),E("p",{class:"faint"},o)]}function Fz(t){let[e]=t.scenes,r=IP(e),n=ae[ne(t.store.state)],i=r.map(({plane:s,from:o,to:a,amount:c})=>E("tr",{},E("td",{},W(s)),E("td",{},W(`${o} \u2192 ${a}`)),E("td",{class:"n"},Ge(c))));return[E("h2",{},W(`Bytes by tier: ${e.traffic.title}`)),RP(e,r,n,I("stage").clientWidth-40),r.length?E("table",{id:"flows"},E("thead",{},E("tr",{},...["plane","over","bytes"].map(s=>E("th",{scope:"col"},s)))),E("tbody",{},i)):ke([["bytes","none yet"]])]}var zz=12,FP=1e3;function Re(t){return Math.max(...t.map(e=>e.traffic?.duration??0))}function zP(t){let{traffic:e}=t[0];if(!e||e.live)return 0;let r=WP(e);return(r.indexOf(Math.max(...r))+.5)/e.bins*e.duration}function UP(t){let{store:e,scenes:r}=t;!Re(r)&&!t.live||(I("player").hidden=!1,I("play").addEventListener("click",()=>Og(t)),I("scrub").addEventListener("input",n=>{e.set({time:n.target.value/FP*Re(r),playing:!1,following:!1})}),I("newest").hidden=!t.live,I("newest").addEventListener("click",()=>Bg(t)),t.live&&I("colour").querySelector("[value=queue]").remove(),I("speed").addEventListener("change",n=>e.set({speed:Number(n.target.value)})),I("colour").addEventListener("change",n=>e.set({colour:n.target.value})),I("lanes-toggle").hidden=!r.some(n=>n.traffic?.lanes),I("lanes-toggle").addEventListener("click",()=>e.set({lanes:!e.state.lanes})),I("compare-toggle").hidden=r.length<2,I("compare-toggle").addEventListener("click",()=>e.set({compare:!e.state.compare})))}function Og(t){let{store:e,scenes:r}=t;if(!Re(r))return;if(e.state.following)return e.set({following:!1});let i=!e.state.playing,s=e.state.time>=$P(r)||e.state.time===t.firstTime;e.set({playing:i,time:i&&s?0:e.state.time}),i&&requestAnimationFrame(o=>GP(t,o))}function Bg(t){t.live&&t.store.set({following:!0,playing:!1,time:t.scenes[0].traffic.live.now})}function $P(t){return t[0].traffic.live?t[0].traffic.live.now:Re(t)}function GP(t,e){requestAnimationFrame(r=>{let{store:n,scenes:i}=t;if(!n.state.playing)return;let s=Re(i),o=Math.min(.25,(r-e)/1e3),a=n.state.time+o*n.state.speed*s/zz,c=$P(i);n.set({time:Math.min(a,c),playing:a<c,following:t.live&&a>=c}),GP(t,r)})}function Dg(t,e){let r=Re(t.scenes);if(!r)return;let n=Math.min(r,Math.max(0,t.store.state.time+e*r));t.store.set({time:n,playing:!1,following:!1})}function VP(t,e){let{state:r}=t.store,n=Re(t.scenes)||(t.live?1:0);if(!n)return;I("clock").textContent=`${br(r.time,n)} / ${br(n,n)}`;let i=I("scrub");if((e.has("time")||e.has("came"))&&(i.value=String(Math.round(r.time/n*FP))),I("cursor").style.left=`${100*r.time/n}%`,e.has("playing")||e.has("following")||e.has("start")){let s=r.playing||r.following;I("play").setAttribute("aria-label",s?"Pause":"Play"),I("play").replaceChildren(Uz(s)),I("newest").setAttribute("aria-pressed",String(r.following))}I("lanes-toggle").setAttribute("aria-expanded",String(r.lanes)),I("compare-toggle").setAttribute("aria-pressed",String(r.compare)),I("colour").value=r.colour,(e.has("theme")||e.has("start")||e.has("size")||e.has("came"))&&$z(t)}function Uz(t){return $("svg",{width:16,height:16,"aria-hidden":"true"},$("path",{d:t?"M3 2H6V14H3ZM10 2H13V14H10Z":"M3 1.5L14 8L3 14.5Z",fill:"currentColor"}))}function WP(t){let{bins:e,utilisation:r}=t,n=new Float64Array(e),i=r.length/e,s=0;for(let o=0;o<i;o++){let a=0;for(let c=0;c<e;c++)a+=r[o*e+c];if(a){s++;for(let c=0;c<e;c++)n[c]+=r[o*e+c]/255}}return n.map(o=>o/Math.max(1,s))}function $z(t){let e=I("spark"),r=window.devicePixelRatio||1;e.width=Math.max(1,e.clientWidth*r),e.height=Math.max(1,e.clientHeight*r);let n=e.getContext("2d"),i=ae[ne(t.store.state)],s=Re(t.scenes);t.scenes.forEach((o,a)=>{if(!o.traffic)return;o.cache.use??=WP(o.traffic);let{use:c}=o.cache,l=e.width*o.traffic.duration/s,f=Math.max(.05,...t.scenes.map(d=>Math.max(0,...d.cache.use||[])));n.beginPath(),n.moveTo(0,e.height),c.forEach((d,h)=>{let p=e.height*(1-.92*(d/f));n.lineTo(h/c.length*l,p),n.lineTo((h+1)/c.length*l,p)}),n.lineTo(l,e.height),n.closePath();let u=i.planes[a];a===0&&(n.fillStyle=G(u),n.globalAlpha=.4,n.fill(),n.globalAlpha=1),n.strokeStyle=G(u),n.lineWidth=1.5*r,n.stroke()})}var Qn=34,Ng="system-ui, sans-serif";function jP(t,e){let r=document.createElement("a");r.href=URL.createObjectURL(t),r.download=e,r.click(),setTimeout(()=>URL.revokeObjectURL(r.href),1e4)}function HP(t,e){return`${t.scenes[0].model.name.replace(/[^A-Za-z0-9._-]+/g,"-").slice(0,60)||"topology"}.${e}`}async function pu(t){t.map.deck.redraw("picture");let e=t.map.element.querySelector("canvas"),r=e.width/e.clientWidth,n=document.createElement("canvas");n.width=e.width,n.height=e.height+Qn*r;let i=n.getContext("2d"),s=ae[ne(t.store.state)];i.fillStyle=G(s.ground),i.fillRect(0,0,n.width,n.height),i.drawImage(e,0,Qn*r),i.scale(r,r),i.font=`600 14px ${Ng}`,i.fillStyle=G(s.text),i.fillText(qP(t),12,22,e.clientWidth*.6),i.font=`12px ${Ng}`;let o=e.clientWidth-12;for(let{label:c,colour:l}of XP(t,s).reverse()){let f=YP(o,c,l,i.measureText(c).width);i.fillStyle=G(s.text),i.fillText(c,f.text,22),l&&(i.fillStyle=G(l)),l&&i.fillRect(f.swatch,16,16,4),o=f.next}let a=await new Promise(c=>n.toBlob(c,"image/png"));jP(a,HP(t,"png"))}function YP(t,e,r,n){let i=t-n,s=i-(e?6:0)-(r?16:0);return{text:i,swatch:s,next:s-(e&&r?14:0)}}function qP(t){let{scenes:e,store:r}=t,n=e.slice(0,r.state.compare?2:1).map(({traffic:s,model:o})=>s?.title||o.name),i=e[0].traffic?` at ${br(r.state.time,Re(e))}`:"";return[...new Set(n)].join(" | ")+i}function XP(t,e){let{model:r,traffic:n}=t.scenes[0],{colour:i}=t.store.state;if(n&&i==="class")return n.labels.map((s,o)=>({label:s,colour:We(e,o)}));if(n&&i!=="plane"){let[s,o]=i==="queue"?["queue 0",de(n.most_backlog)]:["idle","full"],a=e.ramp.map(c=>({label:"",colour:c}));return[{label:s,colour:null},...a,{label:o,colour:null}]}return r.planes.flatMap((s,o)=>t.store.state.hidden.has(s.name)?[]:[{label:s.name,colour:qe(r,e,o)}])}function ZP(t){let e=new XMLSerializer().serializeToString(QP(t));jP(new Blob([e],{type:"image/svg+xml"}),HP(t,"svg"))}function KP(t){addEventListener("beforeprint",()=>{let{state:e}=t.store;if(hu.includes(e.picture))return;let{theme:r}=e;e.theme="light",I("printed").replaceChildren(QP(t)),e.theme=r}),addEventListener("afterprint",()=>I("printed").replaceChildren())}function QP(t){let{clientWidth:e,clientHeight:r}=t.map.element,n=ae[ne(t.store.state)],i=$("svg",{width:e,height:r+Qn,viewBox:`0 0 ${e} ${r+Qn}`,"font-family":Ng});i.setAttribute("xmlns","http://www.w3.org/2000/svg"),i.append($("rect",{width:e,height:r+Qn,fill:G(n.ground)})),i.append($("text",{x:12,y:22,"font-size":14,"font-weight":600,fill:G(n.text)},qP(t)));let s=e-12;for(let{label:o,colour:a}of XP(t,n).reverse()){let c=YP(s,o,a,o.length*6.6);i.append($("text",{x:c.text,y:22,"font-size":12,fill:G(n.text)},o)),a&&i.append($("rect",{x:c.swatch,y:16,width:16,height:4,fill:G(a)})),s=c.next}for(let o of Yr(t.map))i.append(Gz(t,o,n));return i}function Gz(t,e,r){let{scene:n}=e,{state:i}=t.store,s=2**i.view.zoom,o=Kn(t.map,n),a=xs(t.scenes,n,o,i),c=fu(t.map,e),l=e.x+e.width/2-i.view.x*s,f=Qn+e.y+e.height/2-i.view.y*s,u=$("g",{transform:`translate(${Y(l)} ${Y(f)}) scale(${Y(s,5)})`}),d=(_,x,w)=>$("rect",{x:Y(_.x),y:Y(_.y),width:Y(_.w),height:Y(_.h),fill:G(x),stroke:w?G(w):"none",rx:2}),h=Vz(n,o,a,s);for(let _ of n.layout.racks)u.append(d(_,r.rack,r.rackEdge));let p=_=>n.layout.tiers&&n.model.groups.kinds[_]==="switches",m=_=>n.layout.groups.forEach((x,w)=>{x&&!!p(w)===_&&u.append(d(x,r.node,r.nodeEdge))});if(o!=="link"&&!n.layout.tiers&&u.append(h),m(!1),o!=="link"&&n.layout.tiers&&u.append(h),m(!0),c.chips)for(let _ of n.layout.packages)c.has(_.g)&&u.append(d(_,r.package));if(o==="link"&&u.append(h),a.routes)for(let _ of Wz(n,a,s))u.append(_);let g=Jf(n,c);for(let[_,x]of[["rack",r.rack],["node",r.node]])for(let w of tu(g,_,s)){let v=d(w,x);v.setAttribute("fill-opacity",.8),u.append(v)}c.chips&&u.append(jz(n,c,r));for(let _ of g)u.append($("text",{x:Y(_.x),y:Y(_.y+_.size*.35),"font-size":Y(Math.min(_.size,Ga/s)),"text-anchor":"middle",fill:G(eu(r,_))},_.text));let y=`clip-${e.id}`;return $("g",{},$("clipPath",{id:y},$("rect",{x:e.x,y:Qn+e.y,width:e.width,height:e.height})),$("g",{"clip-path":`url(#${y})`},u))}function Vz(t,e,r,n){let i=be(t,e),{colours:s,widths:o}=ru(t,e,r),a=new Map,c=(f,u,d,h)=>{a.has(f)||a.set(f,[]),a.get(f).push(`M${Y(u[2*h])} ${Y(u[2*h+1])}L${Y(d[2*h])} ${Y(d[2*h+1])}`)};for(let f=0;f<i.count;f++){let u=s[4*f+3];if(!u)continue;let d=s.subarray(4*f,4*f+3).join();c(`${d}|${Y(u/255,2)}|${Y(o[f]/n)}`,i.source,i.target,f)}let l=$("g",{fill:"none"});for(let[f,u]of a){let[d,h,p]=f.split("|");l.append($("path",{d:u.join(""),stroke:`rgb(${d})`,"stroke-opacity":h,"stroke-width":p}))}return l}function Wz(t,e,r){let{links:n}=t.model,{position:i}=t.layout,s=o=>`${Y(i[2*o])} ${Y(i[2*o+1])}`;return e.routes(t.model).map(o=>$("path",{d:[...o.links.keys()].map(a=>`M${s(n.src[a])}L${s(n.dst[a])}`).join(""),fill:"none",stroke:G(qe(t.model,e.theme,o.plane)),"stroke-width":Y(1.6/r)}))}function jz(t,e,r){let{model:n,layout:i}=t,s=$("g");for(let o=0;o<n.size;o++){if(!e.has(n.group[o]))continue;let a=i.position[2*o],c=i.position[2*o+1],l=i.size[o]/2;if(n.vertexGone[o])s.append($("path",{d:`M${Y(a-l)} ${Y(c-l)}L${Y(a+l)} ${Y(c+l)}M${Y(a-l)} ${Y(c+l)}L${Y(a+l)} ${Y(c-l)}`,stroke:G(r.gone),"stroke-width":2}));else if(o>=n.endpoints)s.append($("circle",{cx:Y(a),cy:Y(c),r:Y(l),fill:G(r.chip),stroke:G(r.chipEdge)}));else{let f=G(n.kinds[n.kind[o]]==="cpu"?r.cpu:r.die);s.append($("rect",{x:Y(a-l),y:Y(c-l),width:Y(2*l),height:Y(2*l),fill:f}))}}return s}function Y(t,e=2){return Number(t.toFixed(e))}var Hz=[["/","search"],["arrows","move the map"],["+  \u2212","zoom"],["0","whole machine"],["M","next view: tiers, racks, ranks \xD7 ranks, bytes by tier"],["D","next level of detail"],["1 \u2026 9","a plane on or off"],["space","play or pause"],[",  .","a step back or on in time"],["N","what happens now, of a run that goes on"],["R","ranks over time"],["V","routes between two endpoints"],["T","light or dark"],["C","copy a link to this view"],["P","save as PNG"],["Esc","clear what is chosen"]];function JP(t,e){I("help").addEventListener("click",()=>eT()),document.addEventListener("keydown",r=>{r.ctrlKey||r.metaKey||r.altKey||["INPUT","SELECT","TEXTAREA"].includes(r.target.tagName)&&r.target.type!=="range"||I("keys").open||Yz(t,e,r.key)&&r.preventDefault()})}function Yz(t,e,r){let{store:n,scenes:i}=t,{state:s}=n,o=60/2**s.view.zoom,a=(d,h)=>n.set({view:{...s.view,x:s.view.x+d*o,y:s.view.y+h*o},fitted:!1}),c=d=>n.set({view:{...s.view,zoom:Math.min(6,Math.max(-6,s.view.zoom+d))},fitted:!1}),l={"/":()=>I("query").focus(),ArrowLeft:()=>a(-1,0),ArrowRight:()=>a(1,0),ArrowUp:()=>a(0,-1),ArrowDown:()=>a(0,1),"+":()=>c(.5),"=":()=>c(.5),"-":()=>c(-.5),0:()=>qr(t.map),m:()=>n.set({picture:t.pictures[(t.pictures.indexOf(s.picture)+1)%t.pictures.length],selected:null}),d:()=>n.set({level:qz(s.level,i[0].model)})," ":()=>Og(t),",":()=>Dg(t,-.01),".":()=>Dg(t,.01),n:()=>Bg(t),r:()=>n.set({lanes:!s.lanes}),v:()=>n.set({tab:"routes"}),t:()=>e.switchTheme(t),c:()=>e.share(t),p:()=>pu(t),"?":()=>eT(),Escape:()=>n.set({selected:null,from:null,to:null})},f=l[r]||l[r.toLowerCase()],u=i[0].model.planes[Number(r)-1];return!f&&!u?!1:(f?f():Pu(n,u.name),!0)}function qz(t,e){let r=["auto",...ty.filter(n=>n!=="rack"||e.racks.length)];return r[(r.indexOf(t)+1)%r.length]}function eT(){let t=I("keys");t.replaceChildren(E("h2",{},"Keys"),E("dl",{class:"text"},Hz.flatMap(([e,r])=>[E("dt",{},E("kbd",{},e)),E("dd",{},r)])),E("details",{},E("summary",{},"Licences of what this page is made of"),E("pre",{},I("licences").textContent)),E("form",{method:"dialog"},E("button",{autofocus:!0},"Close"))),t.showModal()}var Xz=1,Jn=1e3,Fg=64,Zz=["waits","moves bytes","software"];function tT(t,e){let{state:r}=t.store,n=I("lanes");if(n.hidden=!r.lanes||!t.scenes.some(s=>s.traffic?.lanes),n.hidden)return;t.lanes||(t.lanes=Qz(t));let i=["start","lanes","theme","size","compare"].some(s=>e.has(s));i&&(oT(t),Jz(t)),(i||t.lanes.moved||Kz(t,e))&&sT(t),aT(t)}function Kz(t,e){if(!t.live||!e.has("came"))return!1;let r=performance.now(),{live:n,labels:i}=t.scenes[0].traffic;return r-(t.lanes.grown||0)<250&&n.end===null?!1:(t.lanes.grown=r,i.length!==t.lanes.labels&&oT(t),t.lanes.labels=i.length,!0)}function rT(t){return(t.store.state.compare?t.scenes:t.scenes.slice(0,1)).filter(e=>e.traffic?.lanes)}function zg(t){let e=0;return rT(t).map(r=>{let n={scene:r,first:e};return e+=r.traffic.lanes.ranks+2,n})}function Qz(t){let e=I("lanes-map"),r=E("div",{id:"lanes-cursor"}),n={element:e,view:null,cursor:r,moved:!1};return n.deck=new la({parent:e,views:new ls({id:"lanes",flipY:!0,controller:{scrollZoom:{speed:.02},keyboard:!1}}),viewState:{target:[Jn/2,10],zoom:0},layers:[],onViewStateChange:({viewState:i})=>{n.view=eU(t,n,i),sT(t),aT(t)},deviceProps:Tg}),e.append(r),e.addEventListener("click",i=>{let s=cT(t,i);s&&t.store.set({time:Math.max(0,s.time),playing:!1})}),e.addEventListener("pointermove",i=>sU(t,i)),e.addEventListener("pointerleave",()=>t.tip(null)),n}function nT(t){return zg(t).reduce((e,{scene:r})=>e+r.traffic.lanes.ranks+2,0)-2}function Jz(t){let{clientWidth:e,clientHeight:r}=t.lanes.element,n=Math.max(1,nT(t)),i=Math.log2(Math.max(50,e-Fg-12)/Jn),s=Math.log2(Math.max(Math.min((r-8)/n,18),2)),o=(Fg-12)/2/2**i;t.lanes.width=e;let a=n*2**s<r-8?n/2:r/2/2**s-iT(s);t.lanes.view={target:[Jn/2-o,a,0],zoomX:i,zoomY:s,zoom:i}}function iT(t){return 7/2**t}function eU(t,e,r){let{clientHeight:n}=e.element,i=Math.max(1,nT(t)),s=r.zoomX??(Array.isArray(r.zoom)?r.zoom[0]:r.zoom),o=n/2/2**e.view.zoomY-iT(e.view.zoomY),a=Math.min(Math.max(r.target[1],Math.min(o,i/2)),Math.max(i-o,i/2));return{target:[Math.min(Math.max(r.target[0],0),Jn),a,0],zoomX:Math.max(-4,Math.min(9,s)),zoomY:e.view.zoomY,zoom:s}}function sT(t){let{lanes:e}=t,r=ae[ne(t.store.state)],{zoomX:n,zoomY:i,target:s}=e.view,o=zg(t).flatMap(({scene:a,first:c},l)=>[...tU(t,a,c,r,l),nU(t,a,c,r,l)]);e.deck.setProps({layers:o,viewState:{target:s,zoomX:n,zoomY:i,zoom:[n,i]}})}function tU(t,e,r,n,i){let{lanes:s,duration:o}=e.traffic,a=Jn/(Re(t.scenes)||1),c=`${ne(t.store.state)} ${r} ${a} ${t.lanes.view.zoomY} ${e.traffic.version}`;e.cache.lanes?.key!==c&&(e.cache.lanes={key:c,...rU(s,r,a,n,e)});let{data:l,critical:f}=e.cache.lanes,u=Xz*2**t.lanes.view.zoomY,d=(h,p,m)=>new _t({id:`lanes${i}-${h}`,data:p,widthUnits:"pixels",getWidth:m,updateTriggers:{getWidth:m}});return o?[d("all",l,u*.86),d("critical",f,Math.max(2,u*.3))]:[]}function rU(t,e,r,n,i){let s=i.traffic.labels.map((d,h)=>[...We(n,h),235]),o=[...We(n,0),235],a=[[...n.nodeEdge,255],null,[...n.faint,255]],c=d=>a[t.what[d]]||(s.length>1?s[t.label[d]]:o),l=(d,h)=>{let p=d.length,m=new Float32Array(2*p),g=new Float32Array(2*p),y=new Uint8Array(4*p);for(let _=0;_<p;_++){let x=d[_],w=e+t.rank[x]+.5;m[2*_]=t.begin[x]*r,g[2*_]=t.end[x]*r,m[2*_+1]=g[2*_+1]=w;let[v,S,A,L]=h(x);y[4*_]=v,y[4*_+1]=S,y[4*_+2]=A,y[4*_+3]=L}return{length:p,attributes:{getSourcePosition:{value:m,size:2},getTargetPosition:{value:g,size:2},getColor:{value:y,size:4,normalized:!0}}}},f=Uint32Array.from({length:t.rank.length},(d,h)=>h),u=[...n.mark,255];return{data:l(f,c),critical:l(f.filter(d=>t.critical[d]),()=>u)}}function nU(t,e,r,n,i){let{ranks:s}=e.traffic.lanes,o=2**t.lanes.view.zoomY,a=Math.max(1,Math.ceil(13/o)),{target:c,zoomX:l}=t.lanes.view,f=c[0]-(t.lanes.element.clientWidth/2-6)/2**l,u=[];for(let d=0;d<s;d+=a)u.push({text:`rank ${d}`,at:[f,r+d+.5]});return new $a({id:`lanes${i}-names`,data:u,getText:d=>d.text,getPosition:d=>d.at,getSize:11,getColor:[...n.text,255],getTextAnchor:"start",getAlignmentBaseline:"center",characterSet:[..."rank 0123456789"],fontFamily:"system-ui, sans-serif",background:!0,getBackgroundColor:[...n.rack,230],backgroundPadding:[3,0,4,0],updateTriggers:{getColor:G(n.text),getBackgroundColor:G(n.rack)}})}function oT(t){let e=ae[ne(t.store.state)],r=(a,c)=>{let l=E("i",{class:"swatch"});return l.style.background=G(a),E("span",{class:"key"},l,E("bdi",{},c))},n=rT(t),{labels:i}=n[0].traffic,s=i.length>1?i.slice(0,7).map((a,c)=>r(We(e,c),a)):[r(We(e,0),"moves bytes")],o=n.map(a=>a.traffic.title).join("  above  ");I("lanes-head").replaceChildren(E("strong",{},W(`Ranks over time: ${o}`)),...s,r(e.nodeEdge,"waits for another rank"),r(e.faint,"software"),r(e.mark,"critical path"))}function aT(t){let{view:e,cursor:r,width:n}=t.lanes,s=(t.store.state.time/Re(t.scenes)*Jn-e.target[0])*2**e.zoomX+n/2;r.hidden=s<Fg||s>n,r.style.left=`${s}px`}function iU(t,e,r){let{view:n,element:i}=t.lanes,s=n.target[0]+(e-i.clientWidth/2)/2**n.zoomX,o=n.target[1]+(r-i.clientHeight/2)/2**n.zoomY,a=s/Jn*Re(t.scenes);for(let{scene:c,first:l}of zg(t)){let{lanes:f}=c.traffic,u=Math.floor(o-l);if(u<0||u>=f.ranks)continue;let d=f.rank.findIndex((h,p)=>h===u&&f.begin[p]<=a&&a<f.end[p]);return{scene:c,rank:u,row:d,time:a}}return null}function cT(t,e){let r=t.lanes.element.getBoundingClientRect();return iU(t,e.clientX-r.left,e.clientY-r.top)}function sU(t,e){let r=cT(t,e);if(!r||r.row<0)return t.tip(null);let{lanes:n,labels:i}=r.scene.traffic,{row:s}=r,o=n.peer[s],a=n.what[s]===0&&o>=0?`waits for rank ${o}`:Zz[n.what[s]],c=i.length>1&&n.what[s]===1?` (${i[n.label[s]]})`:"",l=n.what[s]===1&&o>=0?`, last with rank ${o}`:"",f=de(n.end[s]-n.begin[s]),u=`rank ${r.rank} ${a}${c} for ${f}${l}${n.critical[s]?" \xB7 critical path":""}`;return t.tip(u,e.clientX,e.clientY)}var lT=300,ja=46,hs=t=>`${Z(t)} packet${t===1?"":"s"}`,oU=[["packets","arrived",hs],["waited","mean wait for a link",de],["longest","longest time of a packet",de],["overtaken","overtaken by a later one",hs],["farthest","overtaken by at most",hs],["dropped","dropped",hs],["resent","sent again",hs],["marked","marked (ECN)",hs],["pauses","links stopped (PFC)",t=>`${Z(t)} times`],["paused","links stopped, all together",de]];function fT(t){let{state:e}=t.store;return(e.compare?t.scenes:t.scenes.slice(0,1)).filter(n=>n.traffic&&n.traffic.packets).flatMap(n=>aU(t,n))}function aU(t,e){let{traffic:r}=e,n=r.packets,i=ae[ne(t.store.state)],s=n.classes.length>1;return n.classes.length?[E("h2",{},W(s?"Packets by traffic class":"Packets")),...n.classes.flatMap((o,a)=>[s?E("h3",{},cU(i,a),W(o.name)):null,ke(o.facts)]),E("h2",{},"In time"),E("p",{class:"faint"},`The most of each line stands beside it; a step is ${de(n.window)}.`),...oU.flatMap(([o,a,c])=>lU(t,e,o,a,c,i)),E("h2",{},"Longest queues"),n.queues.length?E("ol",{class:"list",id:"queues"},n.queues.map(o=>fU(t,e,o,i))):E("p",{class:"faint"},"Nothing waited for a link.")]:[E("h2",{},"Packets"),E("p",{class:"faint"},"None were sent.")]}function cU(t,e){let r=E("i",{class:"swatch"});return r.style.background=G(We(t,e)),r}function lU(t,e,r,n,i,s){let o=e.traffic.packets,a=o.course[r],c=a.reduce((f,u)=>Math.max(f,u),0);if(!c)return[];let l=o.classes.map((f,u)=>[a.subarray(u*o.windows,(u+1)*o.windows),G(We(s,u))]);return[E("div",{class:"split"},n,E("span",{},i(c))),uT(t,e,l,c,`${n}: at most ${i(c)} in ${de(o.window)}`,r)]}function fU(t,e,r,n){let i=r.bytes.reduce((s,o)=>Math.max(s,o),0);return E("li",{},E("div",{class:"split"},W(r.name),E("span",{},Ge(i))),uT(t,e,[[r.bytes,G(n.text)]],i,`Bytes that waited for ${r.name}: at most ${Ge(i)}`,"queue"))}function uT(t,e,r,n,i,s){let{traffic:o}=e,{window:a}=o.packets,c=Math.max(o.duration,1e-15),l=h=>Math.min(1,h/c)*lT,f=h=>ja-2-h/n*(ja-6),u=$("svg",{viewBox:`0 0 ${lT} ${ja}`,width:"100%",height:ja,preserveAspectRatio:"none",role:"img","aria-label":i,class:"course","data-field":s});for(let[h,p]of r){if(!h.some(g=>g>0))continue;let m=`M0 ${f(0)}`;h.forEach((g,y)=>{m+=`V${f(g).toFixed(1)}H${l((y+1)*a).toFixed(1)}`}),u.append($("path",{d:m,fill:"none",stroke:p,"stroke-width":1.5,"vector-effect":"non-scaling-stroke"}))}let d=t.store.state.time;return d!==null&&u.append($("line",{x1:l(d),x2:l(d),y1:0,y2:ja,stroke:"currentColor","stroke-opacity":.5,"vector-effect":"non-scaling-stroke"})),u}var uU=12;function mu(t,e,r=!1){let n=e.trim().toLowerCase();if(!n)return[];let i=[],s=(a,c)=>{let l=a.toLowerCase().indexOf(n);l>=0&&i.push({...c,label:a,rank:a.length===n.length?0:l===0?1:2})};r||t.groups.names.forEach((a,c)=>s(a,{type:"group",id:c,about:t.groups.kinds[c]}));let o=r?t.endpoints:t.size;for(let a=0;a<o;a++)s(t.names[a],{type:"vertex",id:a,about:xt(Oe(t,a))});return i.sort((a,c)=>a.rank-c.rank).slice(0,uU)}function gu(t,e,r,n){let i=[],s=0,o=()=>{e.hidden=!0,t.removeAttribute("aria-activedescendant"),t.setAttribute("aria-expanded","false")},a=l=>{o(),n(l)},c=()=>{i=r(t.value),e.replaceChildren(...i.map((l,f)=>E("li",{role:"option",id:`${e.id}-${f}`,"aria-selected":String(f===s),onpointerdown:u=>{u.preventDefault(),a(l)}},W(l.label),E("small",{},l.about)))),!i.length&&t.value.trim()&&e.replaceChildren(E("li",{role:"option","aria-disabled":"true","aria-selected":"false"},E("small",{},"nothing of that name"))),i.length?t.setAttribute("aria-activedescendant",`${e.id}-${s}`):t.removeAttribute("aria-activedescendant"),e.hidden=!t.value.trim(),t.setAttribute("aria-expanded",String(!e.hidden))};t.addEventListener("input",()=>{s=0,c()}),t.addEventListener("focus",c),t.addEventListener("blur",o),t.addEventListener("keydown",l=>{if(l.key==="ArrowDown"||l.key==="ArrowUp"){l.preventDefault();let f=l.key==="ArrowDown"?1:-1;s=i.length?(s+f+i.length)%i.length:0,c()}else l.key==="Enter"&&i[s]?(a(i[s]),t.blur()):l.key==="Escape"&&(o(),t.blur())})}var dU=12;function Ug(t,e=dU){let{model:r,traffic:n}=t;t.cache.alike??=hU(n.resource);let i=n.live?n.live.now:n.duration,s=[];for(let[o,a]of t.cache.alike){let c=n.link_bytes[a[0]];c&&s.push({resource:o,links:a,busy:c/st(r,a[0])/i})}return s.sort((o,a)=>a.busy-o.busy||o.resource-a.resource).slice(0,e)}function hU(t){let e=new Map;return t.forEach((r,n)=>{r&&(e.has(r-1)||e.set(r-1,[]),e.get(r-1).push(n))}),e}function dT(t){let{state:e}=t.store,r=e.compare?t.scenes:t.scenes.slice(0,1);return[...t.scenes.length>1?gU(t):[],...r.filter(n=>n.traffic).flatMap(n=>pU(t,n))]}function pU(t,e){let{traffic:r}=e,n=_s(r,t.store.state.time);return r.live&&(e.cache.hottest=Ug(e)),e.cache.hottest??=Ug(e),[E("h2",{},W(r.title)),ke([r.live?["so far",de(r.live.now)]:["duration",de(r.duration)],...r.facts]),...r.live?Kg(r,t.store.state.time):[],E("h2",{},"Hottest links"),E("ol",{class:"list hot"},e.cache.hottest.map(i=>mU(t,e,i,n)))]}function mU(t,e,r,n){let{model:i,traffic:s}=e,o=n<0?0:s.utilisation[r.resource*s.bins+n]/255,a=r.links.length>1?` (${Z(r.links.length)} links alike)`:"",c=E("i");c.style.width=`${Math.min(100,100*o)}%`;let l=()=>t.choose({type:"vertex",id:i.links.src[r.links[0]]},{stay:!0});return E("li",{},E("button",{type:"button",class:"link",onclick:e===t.scenes[0]?l:null},E("div",{class:"split"},W(Za(i,r.links)+a),E("span",{},Zr(r.busy))),E("small",{},`${Ge(s.link_bytes[r.links[0]])} a link \xB7 now ${Zr(o)}`)),E("div",{class:"meter"},c))}function gU(t){let[e,r]=t.scenes.map(a=>a.traffic);if(!e||!r)return[];let n=(a,c,l,f)=>E("tr",{},E("td",{},a),E("td",{class:"n"},f(c)),E("td",{class:"n"},f(l))),i=a=>a.link_bytes.reduce((c,l)=>c+l,0),s=a=>(a.cache.hottest??=Ug(a))[0]?.busy??0,o=r.duration/e.duration-1;return[E("h2",{},"Side by side"),E("table",{id:"comparison"},E("tr",{},E("th",{}),E("th",{class:"n"},"first"),E("th",{class:"n"},"second")),n("duration",e.duration,r.duration,de),n("bytes over links",i(e),i(r),Ge),n("hottest link busy",s(t.scenes[0]),s(t.scenes[1]),Zr)),E("p",{},Math.abs(o)<5e-4?"Both take the same time.":`The second takes ${Math.abs(o*100).toFixed(1)} % ${o>0?"longer":"less"}.`)]}var yU={machine:"Machine",details:"Details",routes:"Routes",traffic:"Traffic",packets:"Packets"};function $g(t,e){return e==="traffic"?t[0].traffic!==null:e!=="packets"||t.some(({traffic:r})=>r&&r.packets)}function pT(t){let{state:e}=t.store,r=I("tabs").contains(document.activeElement),n=Object.entries(yU).filter(([i])=>$g(t.scenes,i));I("tabs").replaceChildren(...n.map(([i,s])=>E("button",{type:"button",role:"tab",id:`tab-${i}`,"aria-selected":String(e.tab===i),"aria-controls":"pane",tabindex:e.tab===i?0:-1,onclick:()=>t.store.set({tab:i}),onkeydown:o=>_U(t,n.map(([a])=>a),o)},s))),I("pane").setAttribute("aria-labelledby",`tab-${e.tab}`),r&&I(`tab-${e.tab}`).focus()}function _U(t,e,r){let n={ArrowRight:1,ArrowLeft:-1}[r.key];n&&(r.preventDefault(),r.stopPropagation(),t.store.set({tab:e[(e.indexOf(t.store.state.tab)+n+e.length)%e.length]}))}function mT(t){let e={machine:xU,details:vU,routes:AU,traffic:dT,packets:fT};I("pane").replaceChildren(...e[t.store.state.tab](t).filter(Boolean))}function Gg(t,e,r){let n=E("i",{class:"swatch"});return n.style.background=G(qe(e,ae[ne(t.store.state)],r)),n}function xU(t){return t.scenes.flatMap(({model:e},r)=>{if(r&&e===t.scenes[0].model)return[];let n=ti(e);return[E("h2",{id:r?null:"machine-title"},W(e.name)),ke([n.racks?["racks of nodes",Z(n.racks)]:null,["nodes",Z(n.nodes)],...Object.entries(n.kinds).map(([i,s])=>[gT(i),Z(s)]),["links, one way each",Z(n.links)]]),E("h2",{},"Planes"),bU(t,e,n),...wU(e,n),r?null:E("p",{class:"faint"},"Click a die, a switch or a line for its facts. Two endpoints show every route between them.")]})}function gT(t){let e=xt(t);return e===t?t:`${e}s`.replace("NPU dies","NPU dies").replace("Qingtian cards","Qingtian cards")}function bU(t,e,r){let n=e.planes.map((i,s)=>E("tr",{},E("td",{},E("h3",{},Gg(t,e,s),W(i.name)),i.note?E("small",{},i.note):null),E("td",{class:"n","data-count":i.name},Z(r.planes[i.name]))));return E("table",{},E("tr",{},E("th",{},"plane"),E("th",{class:"n"},"links")),n)}function wU(t,e){return!e.goneLinks&&!t.removed.length?[]:[E("h2",{},"Taken out"),ke([e.goneVertices?["chips and endpoints",Z(e.goneVertices)]:null,e.goneLinks?["links",Z(e.goneLinks)]:null]),E("ul",{class:"list",id:"removed"},t.removed.slice(0,40).map(r=>E("li",{},W(r)))),t.removed.length>40?E("p",{class:"faint"},`and ${Z(t.removed.length-40)} more`):null]}function vU(t){let{selected:e}=t.store.state,r=t.scenes[0];return e?e.type==="vertex"?EU(t,r,e.id):e.type==="group"?PU(t,r,e.id):TU(t,r,e):[E("p",{class:"faint"},"Nothing is chosen. Click the map, or search.")]}function EU(t,e,r){let{model:n}=e,i=[...n.out.list.subarray(n.out.begin[r],n.out.begin[r+1])],s=r<n.endpoints,o=a=>()=>t.store.set({[a]:r,tab:"routes"});return[E("h2",{},W(n.names[r])),ke([["what",xt(Oe(n,r))],["in",n.groups.names[n.group[r]]],n.package[r]>=0?["package (NPU)",n.package[r]]:null,n.vertexGone[r]?["state","taken out"]:null]),s?E("p",{class:"row"},E("button",{type:"button",onclick:o("from")},"Route from here"),E("button",{type:"button",onclick:o("to")},"Route to here")):null,E("h2",{},"Links out"),SU(t,n,i),..._T(n,i),...xT(t,e,i)]}function SU(t,e,r){let n=new Map;for(let s of r){let o=`${e.links.plane[s]} ${e.kind[e.links.dst[s]]} ${e.links.bandwidth[s]} ${e.links.latency[s]} ${e.links.gone[s]}`;n.has(o)||n.set(o,[]),n.get(o).push(s)}let i=[...n.values()].map(s=>{let[o]=s,a=yT(e,s);return E("tr",{},E("td",{},E("h3",{},Gg(t,e,e.links.plane[o]),W(e.planes[e.links.plane[o]].name)),E("small",{},"to ",W(a))),E("td",{class:"n"},`${Z(s.length)} \xD7 ${ms(st(e,o))}`,E("br"),E("small",{},e.links.gone[o]?"taken out":de(Kr(e,o)))))});return E("table",{},i)}function yT(t,e){return Za(t,e).split("->")[1].replace(/ \([^()]*\)$/,"")}function _T(t,e){let r=new Set(e.flatMap(n=>ay(t,n).map(i=>i.text)));return r.size?[E("h2",{},"Where the numbers come from"),...[...r].map(n=>E("p",{class:"source"},n))]:[E("p",{class:"faint"},"The topology's file or program gives these numbers; no source is stated.")]}function xT(t,e,r){let{traffic:n}=e;if(!n)return[];let i=_s(n,t.store.state.time),s=[],o=new Set;for(let a of r){let c=n.resource[a]-1;if(c<0||o.has(c)||i<0)continue;o.add(c);let l=c*n.bins+i;s.push([yT(e.model,[a]),Zr(n.utilisation[l]/255)])}return s.length?[E("h2",{},"In use now"),ke(s.slice(0,12))]:[]}function PU(t,e,r){let{model:n}=e,i=[...n.members.list.subarray(n.members.begin[r],n.members.begin[r+1])],s=new Map;for(let l of i)s.set(Oe(n,l),(s.get(Oe(n,l))||0)+1);let o=new Set(i),a=i.flatMap(l=>[...n.out.list.subarray(n.out.begin[l],n.out.begin[l+1])].filter(f=>!o.has(n.links.dst[f])&&!n.links.gone[f])),c=n.planes.map((l,f)=>a.filter(u=>n.links.plane[u]===f));return[E("h2",{},W(n.groups.names[r])),ke([n.groups.rack[r]>=0?["rack",`${n.groups.rack[r]} (nodes in order; which rack is not published)`]:null,...[...s].map(([l,f])=>[gT(l),Z(f)])]),E("h2",{},"Bandwidth that leaves it"),ke(c.flatMap((l,f)=>l.length?[[n.planes[f].name,`${ms(l.reduce((u,d)=>u+st(n,d),0))} over ${gs(l.length,"link")}`]]:[])),i.length<=40?E("ul",{class:"list"},i.map(l=>E("li",{},E("button",{type:"button",class:"link",onclick:()=>t.choose({type:"vertex",id:l})},W(n.names[l]))))):null]}function TU(t,e,{id:r,level:n}){let{model:i}=e,s=be(e,n),o=[...s.members.list.subarray(s.members.begin[r],s.members.begin[r+1])],[a]=o,c=s.plane[r],l=o.filter(d=>!i.links.gone[d]),f=new Set(o.map(d=>ms(st(i,d)))),u=new Set(o.map(d=>de(Kr(i,d))));return[E("h2",{},W(n==="link"?vu(i,a).replace("->"," \u2194 "):Xa(e,n,r))),ke([["plane",i.planes[c].name],["links",`${Z(o.length)}, one way each`],o.length>l.length?["taken out",Z(o.length-l.length)]:null,["bandwidth of a link",[...f].join(", ")],["all of them, both ways",ms(s.bandwidth[r])],["latency of a link",[...u].join(", ")]]),n==="link"?null:E("p",{class:"faint"},"A bundle at this level of detail; set Detail to links to see each."),..._T(i,o.slice(0,4e3)),...n==="link"?xT(t,e,o):[]]}function AU(t){let{state:e}=t.store,{model:r}=t.scenes[0],n=[E("h2",{},"Routes between two endpoints"),hT(t,"from","From"),hT(t,"to","To"),E("p",{class:"row"},E("button",{type:"button",onclick:()=>t.store.set({from:e.to,to:e.from})},"Swap"),E("button",{type:"button",onclick:()=>t.store.set({from:null,to:null})},"Clear"))];return e.from===null||e.to===null?(n.push(E("p",{class:"faint"},`Click the ${e.from===null?"first":"second"} endpoint on the map, or type its name.`)),n):(t.scenes.forEach((i,s)=>{if(s&&i.model===t.scenes[0].model)return;let o=t.sameVertex(i,e.from),a=t.sameVertex(i,e.to);s&&n.push(E("h2",{},W(i.traffic?i.traffic.title:i.model.name))),o<0||a<0?n.push(E("p",{class:"faint"},"An endpoint of that name is not here.")):n.push(...i.model.planes.flatMap((c,l)=>LU(t,i.model,l,o,a)))}),n.push(E("p",{class:"faint"},`Shortest routes, bytes spread evenly hop by hop. Traffic takes the first of ${r.planes.map(i=>i.name).join(", ")} that connects the two.`)),n)}function hT(t,e,r){let{model:n}=t.scenes[0],i=t.store.state[e],s=E("input",{type:"text",id:`route-${e}`,role:"combobox","aria-expanded":"false","aria-controls":`route-${e}-results`,"aria-autocomplete":"list","aria-label":r,value:i===null?"":n.names[i],autocomplete:"off",spellcheck:"false"}),o=E("ul",{id:`route-${e}-results`,class:"results",role:"listbox","aria-label":"Found",hidden:!0});return gu(s,o,a=>mu(n,a,!0),a=>t.store.set({[e]:a.id})),E("div",{class:"ends"},E("span",{class:"faint"},r),E("div",{class:"finder"},s,o))}function LU(t,e,r,n,i){let s=ri(e,r,n,i),o=E("h3",{},Gg(t,e,r),W(e.planes[r].name));if(!s)return[o,E("p",{class:"faint"},"no way on this plane")];let a=s.list.map(l=>E("li",{class:"path"},E("div",{class:"split"},W(l.path.map(f=>e.names[f]).join(" \u2192 ")),E("span",{},Zr(l.weight))),l.parallel>1?E("small",{},`over ${gs(l.parallel,"combination")} of parallel links`):null)),c=s.list.reduce((l,f)=>l+f.parallel,0);return[o,ke([["routes",Z(s.count)],["links on them",Z(s.links.size)],["hops",s.hops],["latency",de(s.latency)]]),E("details",{open:s.list.length<=8},E("summary",{},"each with its weight"),E("ul",{class:"list"},a),c<s.count?E("p",{class:"faint"},`and ${Z(s.count-c)} more`):null)]}function bT(t){let e={state:t,listeners:[],changed:new Set,waiting:!1};return{get state(){return e.state},listen(r){e.listeners.push(r)},set(r){for(let[n,i]of Object.entries(r))e.state[n]!==i&&(e.state[n]=i,e.changed.add(n));e.waiting||!e.changed.size||(e.waiting=!0,requestAnimationFrame(()=>{let n=e.changed;e.changed=new Set,e.waiting=!1;for(let i of e.listeners)i(e.state,n)}))}}}var wT={picture:"racks",level:"auto",theme:"auto",colour:"utilisation",tab:"machine",speed:1,time:null,playing:!1,lanes:!1,compare:!0,fitted:!0,selected:null,from:null,to:null,hidden:new Set,view:{x:0,y:0,zoom:0},following:!1,came:0};async function CU(){document.documentElement.dataset.theme=ne(wT);let t=Ya(I("data").textContent),e=EP(I("map")),r=await t,n=r.topologies.map(Hg),i=r.runs.map(c=>ry(n[c.topology],c.traffic||null));r.live&&Yg(i[0].traffic,i[0].model.linkCount);let s=bT({...wT,following:!!r.live}),o={scenes:i,store:s,title:r.title,live:!!r.live,fail:yu};o.sameVertex=(c,l)=>ni(i,c,l),o.choose=(c,l)=>PT(o,c,l),o.tip=(c,l,f)=>Ha(c,l,f),o.firstTime=zP(i),o.pictures=DP(i[0],lu(n[0]));let a=jg(location.hash,n[0]);return Object.assign(s.state,{time:o.firstTime,...MU(o,a)},a),o.pictures.includes(s.state.picture)||(s.state.picture="racks"),s.state.time=Math.min(s.state.time,Re(i)),i[0].traffic&&!location.hash&&(s.state.tab="traffic"),$g(i,s.state.tab)||(s.state.tab="machine"),UP(o),Su(i,s),I("title").replaceChildren(W(r.title)),FU(o),o.map=SP(I("map"),e,i,s,{click:c=>zU(o,c),hover:(c,l,f)=>$U(c,l,f),error:yu}),s.state.selected=IU(s.state.selected,i[0]),JP(o,{share:ST,switchTheme:ET}),KP(o),RU(o),o.live&&qg(o),o}function MU(t,{picture:e,level:r}){let[{model:n,traffic:i}]=t.scenes;if(t.pictures[0]!=="tiers"||(e??"tiers")!=="tiers"||r)return{};let s=new Set([Pg(n)]);i&&i.link_bytes.forEach((a,c)=>a&&s.add(n.links.plane[c]));let o=t.live?[]:n.planes.filter((a,c)=>!s.has(c)).map(a=>a.name);return{picture:"tiers",hidden:new Set(o)}}function IU(t,e){return t?.type!=="line"||t.id<be(e,t.level).count?t:null}function RU(t){let{store:e}=t;e.listen((n,i)=>{document.documentElement.dataset.theme=ne(n);let s=(...o)=>o.some(a=>i.has(a));s("start","hidden","theme","colour","compare")&&Su(t.scenes,e),s("start","compare")&&DU(t),i.has("picture")&&!i.has("start")&&(Ag(t.map),qr(t.map)),NP(t,i),s("start","tab")&&pT(t),(s("start","tab","selected","from","to","compare","theme")||OU(t,i))&&mT(t),t.live&&s("start","came")&&Zg(t),i.has("size")&&n.fitted&&qr(t.map),i.has("compare")&&n.fitted&&!i.has("start")&&qr(t.map),VP(t,i),tT(t,i),kU(i,["tab","speed","lanes","playing"])||CP(t.map,i),I("level").value=n.level,I("picture").value=n.picture,!n.playing&&!n.following&&BU(t)}),e.state.fitted&&qr(t.map),e.set({start:!0,size:{}}),new ResizeObserver(()=>{let{width:n,height:i}=Lg(t.map.element);!n||!i||n===t.map.size.width&&i===t.map.size.height||(t.map.size={width:n,height:i},e.set({size:{}}))}).observe(t.map.element),matchMedia("(prefers-color-scheme: dark)").addEventListener("change",()=>e.set({size:{},theme:e.state.theme}))}function kU(t,e){return[...t].every(r=>e.includes(r))}function OU(t,e){let{state:r}=t.store;if(!(e.has("time")||e.has("came"))||!["traffic","packets","details"].includes(r.tab))return!1;let n=performance.now();return(r.playing||r.following)&&n-(t.panelDrawn||0)<400?!1:(t.panelDrawn=n,!0)}function BU(t){clearTimeout(t.hashTimer),t.hashTimer=setTimeout(()=>history.replaceState(null,"",bu(t.store.state)),150)}function DU(t){let{scenes:e,store:r}=t,n=e.length>1&&r.state.compare?e:[];I("captions").replaceChildren(...n.map(({traffic:i,model:s})=>E("div",{},E("span",{},W(i?i.title:s.name),E("small",{},NU(s))))))}function NU(t){let{removed:e}=t;return e.length?`without ${e.slice(0,2).join(", ")}${e.length>2?` and ${e.length-2} more`:""}`:"nothing taken out"}function FU(t){let{store:e,scenes:r}=t;gu(I("query"),I("results"),n=>mu(r[0].model,n),n=>{PT(t,{type:n.type,id:n.id}),I("query").value=""}),I("picture").addEventListener("change",n=>e.set({picture:n.target.value,selected:null}));for(let n of[...I("picture").options])t.pictures.includes(n.value)||n.remove();I("level").addEventListener("change",n=>e.set({level:n.target.value}));for(let n of[...I("level").options])n.value==="rack"&&!r[0].model.racks.length&&n.remove();I("fit").addEventListener("click",()=>qr(t.map)),I("theme").addEventListener("click",()=>ET(t)),I("png").addEventListener("click",()=>pu(t).catch(yu)),I("svg").addEventListener("click",()=>ZP(t)),I("share").addEventListener("click",()=>ST(t))}function ET(t){t.store.set({theme:ne(t.store.state)==="dark"?"light":"dark"})}async function ST(t){clearTimeout(t.hashTimer),history.replaceState(null,"",bu(t.store.state));let e=await navigator.clipboard?.writeText(location.href).then(()=>!0,()=>!1),r=I("share").getBoundingClientRect();Ha(e?"The link to this view is copied":"The link to this view is in the address bar",r.left,r.bottom+18),setTimeout(()=>Ha(null),2500)}function PT(t,e,{stay:r=!1}={}){let{store:n,scenes:i}=t;n.set({selected:e,tab:r?n.state.tab:"details"});let{layout:s,model:o}=i[0];e.type==="group"&&Mg(t.map,vT(s.groups[e.id])),e.type==="vertex"&&Mg(t.map,vT(s.groups[o.group[e.id]]))}function vT({x:t,y:e,w:r,h:n}){return{x0:t,y0:e,x1:t+r,y1:e+n}}function zU(t,e){let{store:r,scenes:n}=t,i=Ig(t.map,e.x,e.y,matchMedia("(pointer: coarse)").matches),{state:s}=r;if(!i)return r.set({selected:null});if(i.scene!==n[0])return UU(t,i);let{model:o}=n[0];if(s.tab==="routes"&&i.type==="vertex"&&i.id<o.endpoints){let f=s.from===null||s.to!==null?"from":"to";return r.set({[f]:i.id,...f==="from"?{to:null}:{}})}let{type:a,id:c,level:l}=i;return r.set({selected:a==="line"?{type:a,id:c,level:l}:{type:a,id:c},tab:"details"})}function UU(t,e){let{model:r}=t.scenes[0];if(e.type!=="vertex")return;let n=r.index.get(e.scene.model.names[e.id]);n!==void 0&&t.store.set({selected:{type:"vertex",id:n},tab:"details"})}function $U(t,e,r){if(!t)return Ha(null);let{scene:n}=t,{model:i}=n,s=I("map").getBoundingClientRect();return Ha({vertex:()=>`${i.names[t.id]} \xB7 ${xt(Oe(i,t.id))}${i.vertexGone[t.id]?" \xB7 taken out":""}`,group:()=>i.groups.names[t.id],line:()=>{let a=be(n,t.level);return`${Xa(n,t.level,t.id)} \xB7 ${i.planes[a.plane[t.id]].name}, ${gs(a.links[t.id],"link")}`}}[t.type](),s.left+e,s.top+r)}function Ha(t,e,r){let n=I("tip");if(n.hidden=!t,!t)return;let i=I("stage").getBoundingClientRect();n.replaceChildren(W(t));let s=Math.min(e-i.left+14,i.width-n.offsetWidth-6),o=Math.min(r-i.top+14,i.height-n.offsetHeight-6);n.style.left=`${Math.max(4,s)}px`,n.style.top=`${Math.max(4,o)}px`}function yu(t){console.error(t);let r=typeof DecompressionStream>"u"||!document.createElement("canvas").getContext("webgl2")?"This browser lacks WebGL 2 or DecompressionStream, which the page draws with.":String(t);I("failure")?.remove(),document.body.append(E("div",{id:"failure"},E("p",{},"The page cannot be shown. ",r)))}CU().then(t=>{window.triplane={state:t.store.state,set:t.store.set,ready:Cg(t.map),settled:()=>LP(t.map),counts:(e=0)=>ti(t.scenes[e].model),lines:e=>be(t.scenes[0],e||Kn(t.map,t.scenes[0])).count,level:()=>Kn(t.map,t.scenes[0]),routes:(e,r,n,i=0)=>{let{model:s}=t.scenes[i];return ri(s,s.planes.findIndex(o=>o.name===e),r,n)},app:t}},yu);})();
