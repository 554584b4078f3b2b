<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="zh_CN" sourcelanguage="en">
<context>
    <name>ActivityPage</name>
    <message>
        <source>Activity</source>
        <translation>活动记录</translation>
    </message>
    <message>
        <source>No.</source>
        <translation>序号</translation>
    </message>
    <message>
        <source>When</source>
        <translation>时间</translation>
    </message>
    <message>
        <source>Who</source>
        <translation>操作人</translation>
    </message>
    <message>
        <source>What</source>
        <translation>事件</translation>
    </message>
    <message>
        <source>Message</source>
        <translation>说明</translation>
    </message>
    <message>
        <source>Digest</source>
        <translation>摘要</translation>
    </message>
    <message>
        <source>Verify chain</source>
        <translation>校验链条</translation>
    </message>
    <message>
        <source>Every entry&apos;s digest covers the one before it.</source>
        <translation>每条记录的摘要都包含上一条的摘要。</translation>
    </message>
    <message>
        <source>Of no box were audits collected yet.</source>
        <translation>还没有收集任何边缘盒的审计记录。</translation>
    </message>
    <message>
        <source>The chains, and who speaks for them</source>
        <translation>各条链及其见证</translation>
    </message>
    <message>
        <source>This desktop</source>
        <translation>本机</translation>
    </message>
    <message>
        <source>Verify the activity chain</source>
        <translation>校验活动记录链条</translation>
    </message>
</context>
<context>
    <name>AddBox</name>
    <message>
        <source>Add a box</source>
        <translation>添加边缘盒</translation>
    </message>
    <message>
        <source>Box and desktop learn each other&apos;s key: over SSH, by a one-time code, or through a home folder.</source>
        <translation>边缘盒与此桌面通过 SSH、一次性配对码或主文件夹互相得知对方的密钥。</translation>
    </message>
    <message>
        <source>Add box</source>
        <translation>添加</translation>
    </message>
    <message>
        <source>Way</source>
        <translation>方式</translation>
    </message>
    <message>
        <source>Its home folder</source>
        <translation>主文件夹</translation>
    </message>
    <message>
        <source>With its code</source>
        <translation>配对码</translation>
    </message>
    <message>
        <source>Over SSH</source>
        <translation>通过 SSH</translation>
    </message>
    <message>
        <source>Home folder of the box</source>
        <translation>边缘盒的主文件夹</translation>
    </message>
    <message>
        <source>The folder given to `lineside-edge init --home`, on this machine or mounted here.</source>
        <translation>即 `lineside-edge init --home` 指定的文件夹，位于本机或已挂载到本机。</translation>
    </message>
    <message>
        <source>Address (optional)</source>
        <translation>地址（可选）</translation>
    </message>
    <message>
        <source>Leave it empty to take the address that the running box wrote down.</source>
        <translation>留空则采用运行中的边缘盒自己记录的地址。</translation>
    </message>
    <message>
        <source>One-time code</source>
        <translation>一次性配对码</translation>
    </message>
    <message>
        <source>On the box&apos;s label or screen; `lineside-edge code` shows it there. After three wrong ones it changes.</source>
        <translation>见边缘盒的标签或屏幕；在边缘盒上运行 `lineside-edge code` 可以显示。输错三次后配对码会更换。</translation>
    </message>
    <message>
        <source>Address of the box</source>
        <translation>边缘盒的地址</translation>
    </message>
    <message>
        <source>Its name or number in the network. Take it from the list if the box was heard.</source>
        <translation>它在网络中的名称或 IP 地址。若左侧已列出该边缘盒，可直接选取。</translation>
    </message>
    <message>
        <source>Name of the box (optional)</source>
        <translation>盒子名称（可选）</translation>
    </message>
    <message>
        <source>Otherwise it is called as the machine.</source>
        <translation>留空则使用机器本身的名称。</translation>
    </message>
    <message>
        <source>Edge bundle (optional)</source>
        <translation>边缘安装包（可选）</translation>
    </message>
    <message>
        <source>What `make edge-bundle` built; otherwise it is taken from where bundles usually lie.</source>
        <translation>由 `make edge-bundle` 构建；留空则从安装包的常用位置获取。</translation>
    </message>
    <message>
        <source>Choose the box&apos;s home folder first.</source>
        <translation>请先选择边缘盒的主文件夹。</translation>
    </message>
    <message>
        <source>Type the code that the box shows.</source>
        <translation>请输入边缘盒显示的配对码。</translation>
    </message>
    <message>
        <source>Say where the box is: choose it below, or type its address.</source>
        <translation>请指明边缘盒的位置：在下方选择，或输入地址。</translation>
    </message>
</context>
<context>
    <name>AdmitDesktop</name>
    <message>
        <source>Admit a desktop</source>
        <translation>准入一台电脑</translation>
    </message>
    <message>
        <source>On the new desktop choose “Join a site” and save its request to a stick. Read it here, compare the fingerprint with what the new desktop shows, and carry the admission back.</source>
        <translation>在新电脑上选择“加入站点”，把申请保存到 U 盘。在这里读取它，与新电脑上显示的指纹核对，再把准入文件带回去。</translation>
    </message>
    <message>
        <source>Admit desktop</source>
        <translation>准入</translation>
    </message>
    <message>
        <source>Request of the new desktop</source>
        <translation>新电脑的申请</translation>
    </message>
    <message>
        <source>Admission to write</source>
        <translation>要写入的准入文件</translation>
    </message>
    <message>
        <source>Choose the new desktop&apos;s request first.</source>
        <translation>请先选择新电脑的申请。</translation>
    </message>
    <message>
        <source>Choose where to write the file first.</source>
        <translation>请先选择文件写入的位置。</translation>
    </message>
</context>
<context>
    <name>Banner</name>
    <message>
        <source>Try now</source>
        <translation>立即重试</translation>
    </message>
    <message>
        <source>Offline. Changes that wait here: {changes}; objects: {objects} ({size}). Work goes on.</source>
        <translation>离线：{changes} 条变更和 {objects} 个对象（{size}）保存在本机，稍后发出。工作可以照常进行。</translation>
    </message>
</context>
<context>
    <name>BeginDialog</name>
    <message>
        <source>Begin a visit</source>
        <translation>开始巡检</translation>
    </message>
    <message>
        <source>Every box is asked how it is now, and this desktop signs the answers. A box that does not answer is written down so.</source>
        <translation>逐个询问每个边缘盒的现状，并由本机签名。没有应答的边缘盒也会如实记录。</translation>
    </message>
    <message>
        <source>Begin</source>
        <translation>开始</translation>
    </message>
    <message>
        <source>Title</source>
        <translation>标题</translation>
    </message>
    <message>
        <source>Pack that was brought</source>
        <translation>带来的数据包</translation>
    </message>
    <message>
        <source>Taken over first; leave it empty without one.</source>
        <translation>会先接收它；没有则留空。</translation>
    </message>
    <message>
        <source>Boxes to go to</source>
        <translation>要前往的边缘盒</translation>
    </message>
    <message>
        <source>Tick at least one box.</source>
        <translation>请至少勾选一台边缘盒。</translation>
    </message>
</context>
<context>
    <name>BoxDetail</name>
    <message>
        <source>Refresh</source>
        <translation>刷新</translation>
    </message>
    <message>
        <source>Collect now</source>
        <translation>立即收取</translation>
    </message>
    <message>
        <source>Confidence over time</source>
        <translation>置信度随时间变化</translation>
    </message>
    <message>
        <source>Update its program over SSH…</source>
        <translation>通过 SSH 更新其程序…</translation>
    </message>
    <message>
        <source>Model slots</source>
        <translation>模型槽位</translation>
    </message>
    <message>
        <source>Pipelines</source>
        <translation>流水线</translation>
    </message>
    <message>
        <source>What the model said</source>
        <translation>模型的判断</translation>
    </message>
    <message>
        <source>Alerts</source>
        <translation>告警</translation>
    </message>
    <message>
        <source>Not heard yet.</source>
        <translation>尚无消息。</translation>
    </message>
    <message>
        <source>Forget…</source>
        <translation>移除记录…</translation>
    </message>
    <message>
        <source>History</source>
        <translation>历史</translation>
    </message>
    <message>
        <source>Minutes, shadow model, alerts, what was done to it, losses</source>
        <translation>分钟汇总、影子模型、告警、审计、丢失</translation>
    </message>
    <message>
        <source>Send back…</source>
        <translation>退回…</translation>
    </message>
    <message>
        <source>No pipeline is configured.</source>
        <translation>未配置流水线。</translation>
    </message>
    <message>
        <source>No result was collected yet.</source>
        <translation>尚未收取任何结果。</translation>
    </message>
    <message>
        <source>Take Lineside off this box…</source>
        <translation>从此盒子移除 Lineside…</translation>
    </message>
    <message>
        <source>Its disk takes no rows: {problem}</source>
        <translation>它的磁盘无法写入记录：{problem}</translation>
    </message>
    <message>
        <source>Forget this box?</source>
        <translation>移除此边缘盒？</translation>
    </message>
    <message>
        <source>It leaves this desktop&apos;s list. What it sent stays here, and the box itself is not touched.</source>
        <translation>它将从本机列表中移除。已收取的数据保留，边缘盒本身不受影响。</translation>
    </message>
    <message>
        <source>Forget box</source>
        <translation>移除</translation>
    </message>
    <message>
        <source>Send {name} back</source>
        <translation>退回 {name}</translation>
    </message>
    <message>
        <source>Refresh {name}</source>
        <translation>刷新 {name}</translation>
    </message>
    <message>
        <source>Collect from {name}</source>
        <translation>从 {name} 收取</translation>
    </message>
    <message>
        <source>Address</source>
        <translation>地址</translation>
    </message>
    <message>
        <source>Fingerprint</source>
        <translation>指纹</translation>
    </message>
    <message>
        <source>Inference</source>
        <translation>推理接口</translation>
    </message>
    <message>
        <source>Off</source>
        <translation>未启用</translation>
    </message>
    <message>
        <source>Version</source>
        <translation>版本</translation>
    </message>
    <message>
        <source>Running for</source>
        <translation>已运行</translation>
    </message>
    <message>
        <source>Waiting there</source>
        <translation>待收取</translation>
    </message>
    <message>
        <source>Free disk</source>
        <translation>剩余磁盘</translation>
    </message>
    <message>
        <source>Last seen</source>
        <translation>最近联系</translation>
    </message>
    <message>
        <source>No model</source>
        <translation>无模型</translation>
    </message>
    <message>
        <source>Answers for the line now</source>
        <translation>当前为产线作答</translation>
    </message>
    <message>
        <source>ms a frame: {stages}</source>
        <translation>每帧毫秒：{stages}</translation>
    </message>
    <message>
        <source>Learns what is normal, to notice drift: {share}</source>
        <translation>正在学习正常状态以发现漂移：{share}</translation>
    </message>
    <message>
        <source>drift</source>
        <translation>漂移</translation>
    </message>
    <message>
        <source>No alerts.</source>
        <translation>没有告警。</translation>
    </message>
    <message>
        <source>Answered when the box was last heard</source>
        <translation>上次联系时为产线作答</translation>
    </message>
    <message>
        <source>Frames on trial: {frames}, errors: {errors}, {ms} ms (p95)</source>
        <translation>试运行 {frames} 帧，{errors} 个错误，{ms} 毫秒（p95）</translation>
    </message>
    <message>
        <source>Frames: {frames} ({rate} per second), kept: {kept}, errors: {errors}</source>
        <translation>{frames} 帧（每秒 {rate} 帧），留存 {kept} 帧，{errors} 个错误</translation>
    </message>
    <message>
        <source>Results: {results}, samples: {samples} ({size})</source>
        <translation>{results} 条结果，{samples} 个样本（{size}）</translation>
    </message>
</context>
<context>
    <name>BoxHistory</name>
    <message>
        <source>All boxes</source>
        <translation>所有边缘盒</translation>
    </message>
    <message>
        <source>What to look back on</source>
        <translation>查看哪类历史</translation>
    </message>
    <message>
        <source>Minutes</source>
        <translation>分钟汇总</translation>
    </message>
    <message>
        <source>Shadow model</source>
        <translation>影子模型</translation>
    </message>
    <message>
        <source>Alerts</source>
        <translation>告警</translation>
    </message>
    <message>
        <source>Audit</source>
        <translation>审计</translation>
    </message>
    <message>
        <source>Losses</source>
        <translation>丢失</translation>
    </message>
    <message>
        <source>Collect now</source>
        <translation>立即收取</translation>
    </message>
    <message>
        <source>When</source>
        <translation>时间</translation>
    </message>
    <message>
        <source>What</source>
        <translation>事件</translation>
    </message>
    <message>
        <source>Pipeline</source>
        <translation>流水线</translation>
    </message>
    <message>
        <source>Message</source>
        <translation>说明</translation>
    </message>
    <message>
        <source>No alerts: nothing on this box asks for attention.</source>
        <translation>没有告警：此边缘盒没有需要留意的情况。</translation>
    </message>
    <message>
        <source>Who</source>
        <translation>操作人</translation>
    </message>
    <message>
        <source>This desktop</source>
        <translation>本机</translation>
    </message>
    <message>
        <source>The box itself</source>
        <translation>边缘盒自身</translation>
    </message>
    <message>
        <source>Nothing that was done to this box was collected yet.</source>
        <translation>尚未收取此边缘盒的审计记录。</translation>
    </message>
</context>
<context>
    <name>BoxesPage</name>
    <message>
        <source>Boxes</source>
        <translation>边缘盒</translation>
    </message>
    <message>
        <source>Name</source>
        <translation>名称</translation>
    </message>
    <message>
        <source>State</source>
        <translation>状态</translation>
    </message>
    <message>
        <source>Frames/s</source>
        <translation>帧/秒</translation>
    </message>
    <message>
        <source>Model</source>
        <translation>模型</translation>
    </message>
    <message>
        <source>Drift</source>
        <translation>漂移</translation>
    </message>
    <message>
        <source>Last seen</source>
        <translation>最近联系</translation>
    </message>
    <message>
        <source>Waiting</source>
        <translation>待收取</translation>
    </message>
    <message>
        <source>Refresh all</source>
        <translation>全部刷新</translation>
    </message>
    <message>
        <source>Collect all</source>
        <translation>全部收取</translation>
    </message>
    <message>
        <source>Visit…</source>
        <translation>巡检…</translation>
    </message>
    <message>
        <source>Add box…</source>
        <translation>添加边缘盒…</translation>
    </message>
    <message>
        <source>No box yet: add the first one, and it will show here what it runs and what it sees.</source>
        <translation>还没有边缘盒：添加第一台后，这里会显示它运行什么、看到什么。</translation>
    </message>
    <message>
        <source>Add a box…</source>
        <translation>添加边缘盒…</translation>
    </message>
    <message>
        <source>Refresh all boxes</source>
        <translation>刷新所有边缘盒</translation>
    </message>
    <message>
        <source>Collect from all boxes</source>
        <translation>从所有边缘盒收取</translation>
    </message>
    <message>
        <source>Look for copied boxes</source>
        <translation>查找被复制的边缘盒</translation>
    </message>
    <message>
        <source>Take Lineside off a machine…</source>
        <translation>从一台机器上移除 Lineside…</translation>
    </message>
    <message>
        <source>Plan a visit</source>
        <translation>规划巡检</translation>
    </message>
    <message>
        <source>History of box {name}</source>
        <translation>边缘盒 {name} 的历史</translation>
    </message>
    <message>
        <source>Start a shadow run on {name}…</source>
        <translation>在 {name} 上开始影子运行…</translation>
    </message>
    <message>
        <source>Take Lineside off {name}…</source>
        <translation>从 {name} 移除 Lineside…</translation>
    </message>
    <message>
        <source>Set the clock of {name}…</source>
        <translation>校准 {name} 的时钟…</translation>
    </message>
    <message>
        <source>Hold a drill on {name}…</source>
        <translation>在 {name} 上演练…</translation>
    </message>
    <message>
        <source>Refresh boxes</source>
        <translation>刷新边缘盒</translation>
    </message>
    <message>
        <source>Collect from boxes</source>
        <translation>从边缘盒收取</translation>
    </message>
    <message>
        <source>Forget box {name}…</source>
        <translation>移除边缘盒 {name}…</translation>
    </message>
    <message>
        <source>Update the program of {name} over SSH…</source>
        <translation>通过 SSH 更新 {name} 的程序…</translation>
    </message>
    <message>
        <source>Bring {name} another version of its program…</source>
        <translation>为 {name} 更换程序版本…</translation>
    </message>
    <message>
        <source>Last known: {model}</source>
        <translation>上次已知：{model}</translation>
    </message>
    <message>
        <source>{n} of {all} answering</source>
        <translation>{all} 台中有 {n} 台应答</translation>
    </message>
</context>
<context>
    <name>BurstDetail</name>
    <message>
        <source>Progress of the burst</source>
        <translation>训练任务进度</translation>
    </message>
    <message>
        <source>Cancel burst…</source>
        <translation>取消训练…</translation>
    </message>
    <message>
        <source>Import result…</source>
        <translation>导入结果…</translation>
    </message>
    <message>
        <source>Loss by step</source>
        <translation>各步损失</translation>
    </message>
    <message>
        <source>Accuracy by step</source>
        <translation>各步准确率</translation>
    </message>
    <message>
        <source>Log of the burst</source>
        <translation>训练任务日志</translation>
    </message>
    <message>
        <source>Log</source>
        <translation>日志</translation>
    </message>
    <message>
        <source>Cancel this burst?</source>
        <translation>取消此训练任务？</translation>
    </message>
    <message>
        <source>Training stops and its machine is given back. The checkpoints that it wrote stay.</source>
        <translation>训练将停止，机器随即释放。已写入的检查点会保留。</translation>
    </message>
    <message>
        <source>{dataset} on {host}</source>
        <translation>{dataset}，运行于 {host}</translation>
    </message>
    <message>
        <source>Cancel burst</source>
        <translation>取消训练</translation>
    </message>
    <message>
        <source>Recipe</source>
        <translation>配方</translation>
    </message>
    <message>
        <source>Host</source>
        <translation>主机</translation>
    </message>
    <message>
        <source>Started from</source>
        <translation>起始模型</translation>
    </message>
    <message>
        <source>nothing (new)</source>
        <translation>无（全新训练）</translation>
    </message>
    <message>
        <source>Time</source>
        <translation>用时</translation>
    </message>
    <message>
        <source>Deadline</source>
        <translation>截止时间</translation>
    </message>
    <message>
        <source>Cost</source>
        <translation>费用</translation>
    </message>
    <message>
        <source>{cost}, at worst {worst}</source>
        <translation>{cost}，最多 {worst}</translation>
    </message>
    <message>
        <source>Id</source>
        <translation>编号</translation>
    </message>
</context>
<context>
    <name>ChainBar</name>
    <message>
        <source>Verify</source>
        <translation>验证</translation>
    </message>
</context>
<context>
    <name>CheckDialog</name>
    <message>
        <source>Check a report</source>
        <translation>校验报告</translation>
    </message>
    <message>
        <source>Any change of the file since it was sealed is found, byte by byte.</source>
        <translation>逐字节检查：文件封存后的任何改动都会被发现。</translation>
    </message>
    <message>
        <source>Check</source>
        <translation>校验</translation>
    </message>
    <message>
        <source>Report</source>
        <translation>报告</translation>
    </message>
    <message>
        <source>Choose a file first.</source>
        <translation>请先选择文件。</translation>
    </message>
</context>
<context>
    <name>ClockPanel</name>
    <message>
        <source>Set its clock…</source>
        <translation>校准其时钟…</translation>
    </message>
    <message>
        <source>Its clock is {off} this desktop&apos;s.</source>
        <translation>它的时钟比本机{off}。</translation>
    </message>
    <message>
        <source>Set the clock of this box?</source>
        <translation>校准这个边缘盒的时钟？</translation>
    </message>
    <message>
        <source>It takes this desktop&apos;s time: make sure that it is right. The box and this desktop keep who did it.</source>
        <translation>它将采用本机的时间：请先确认无误。边缘盒和本机都会记录是谁校准的。</translation>
    </message>
    <message>
        <source>Its clock is right: {off} this one.</source>
        <translation>时钟准确：比本机{off}。</translation>
    </message>
    <message>
        <source>All boxes are off by the same: rather this desktop&apos;s clock is wrong. Look at it first.</source>
        <translation>所有边缘盒的偏差都相同：更可能是本机的时钟不准。请先检查本机时钟。</translation>
    </message>
    <message>
        <source>Its system does not let it be set from here: set it at the box, as root.</source>
        <translation>该边缘盒的系统不允许从这里设置时钟：请在边缘盒上以 root 身份设置。</translation>
    </message>
    <message>
        <source>{box}: {off} this desktop&apos;s clock</source>
        <translation>{box}：比本机的时钟{off}</translation>
    </message>
    <message>
        <source>Set its clock</source>
        <translation>校准其时钟</translation>
    </message>
    <message>
        <source>Set the clock of {name}</source>
        <translation>校准 {name} 的时钟</translation>
    </message>
</context>
<context>
    <name>CloneDialog</name>
    <message>
        <source>Boxes that were copied</source>
        <translation>被复制的边缘盒</translation>
    </message>
    <message>
        <source>Each machine should have an identity of its own. A copy that is given one keeps what it has seen, its models and its settings.</source>
        <translation>每台机器都应有自己的身份。得到新身份的副本会保留它所见的数据、模型和设置。</translation>
    </message>
    <message>
        <source>Done</source>
        <translation>完成</translation>
    </message>
    <message>
        <source>Ask them again</source>
        <translation>再次询问</translation>
    </message>
    <message>
        <source>Asking the boxes…</source>
        <translation>正在询问边缘盒…</translation>
    </message>
    <message>
        <source>No box has been copied, as far as can be told from here.</source>
        <translation>从这里看，没有边缘盒被复制。</translation>
    </message>
    <message>
        <source>A new identity was meant for the machine at {address}, which was not told to take it.</source>
        <translation>曾打算给位于 {address} 的机器新身份，但尚未通知它启用。</translation>
    </message>
    <message>
        <source>Forget that</source>
        <translation>不再保留</translation>
    </message>
    <message>
        <source>The machine at {address} was being given a new identity, and may have it already. To go on ends it, wherever it was.</source>
        <translation>位于 {address} 的机器正在获得新身份，可能已经获得。点击“继续”，从中断处完成。</translation>
    </message>
    <message>
        <source>Go on</source>
        <translation>继续</translation>
    </message>
    <message>
        <source>One key on {n} machines</source>
        <translation>{n} 台机器使用同一个密钥</translation>
    </message>
    <message>
        <source>One machine-id or SSH host key on {n} machines</source>
        <translation>{n} 台机器使用同一个 machine-id 或 SSH 主机密钥</translation>
    </message>
    <message>
        <source>One machine-id or SSH host key under {n} keys</source>
        <translation>{n} 个密钥对应同一个 machine-id 或 SSH 主机密钥</translation>
    </message>
    <message>
        <source>Choose the machine that is the copy. The other one stays the box that it is.</source>
        <translation>请选择哪台机器是副本。另一台保持原来的边缘盒不变。</translation>
    </message>
    <message>
        <source>Each box has a key of its own. On the copy, as root: rm /etc/machine-id /etc/ssh/ssh_host_*; systemd-machine-id-setup; ssh-keygen -A; reboot</source>
        <translation>每个边缘盒都有自己的密钥。请在副本上以 root 身份执行：rm /etc/machine-id /etc/ssh/ssh_host_*; systemd-machine-id-setup; ssh-keygen -A; reboot</translation>
    </message>
    <message>
        <source>It may be one machine that was set up anew.</source>
        <translation>也可能是同一台机器被重新安装过。</translation>
    </message>
    <message>
        <source>Address</source>
        <translation>地址</translation>
    </message>
    <message>
        <source>Fingerprint</source>
        <translation>指纹</translation>
    </message>
    <message>
        <source>This start</source>
        <translation>本次启动</translation>
    </message>
    <message>
        <source>Machine</source>
        <translation>机器</translation>
    </message>
    <message>
        <source>SSH host key</source>
        <translation>SSH 主机密钥</translation>
    </message>
    <message>
        <source>Last seen</source>
        <translation>最近在线</translation>
    </message>
    <message>
        <source>This is the copy: new identity…</source>
        <translation>这是副本：赋予新身份…</translation>
    </message>
</context>
<context>
    <name>CloneNotice</name>
    <message>
        <source>Compare them…</source>
        <translation>对比…</translation>
    </message>
    <message>
        <source>A copy was being given a new identity, and its last word was not heard.</source>
        <translation>正在为一个副本更换身份，但没有收到它的最后答复。</translation>
    </message>
    <message>
        <source>A box was copied: two machines answer with one key.</source>
        <translation>有边缘盒被复制：两台机器用同一个密钥应答。</translation>
    </message>
    <message>
        <source>A new identity was meant for a copy, and did not get there.</source>
        <translation>曾打算给一个副本新身份，但没有送达。</translation>
    </message>
    <message>
        <source>Two boxes were made from one image: their machines have one identity.</source>
        <translation>两个边缘盒由同一镜像制成：它们的机器身份相同。</translation>
    </message>
</context>
<context>
    <name>ConfigPanel</name>
    <message>
        <source>Configure…</source>
        <translation>配置…</translation>
    </message>
    <message>
        <source>Versions…</source>
        <translation>版本…</translation>
    </message>
    <message>
        <source>On several boxes…</source>
        <translation>用于多台边缘盒…</translation>
    </message>
    <message>
        <source>Configuration</source>
        <translation>配置</translation>
    </message>
    <message>
        <source>Not heard yet.</source>
        <translation>尚无消息。</translation>
    </message>
    <message>
        <source>Version {number} counts.</source>
        <translation>当前生效的是第 {number} 版。</translation>
    </message>
    <message>
        <source>It was edited on the box: that counts from its next start.</source>
        <translation>配置在边缘盒上被手动修改过：下次启动后生效。</translation>
    </message>
    <message>
        <source>Version {number} is on trial.</source>
        <translation>第 {number} 版正在试运行。</translation>
    </message>
    <message>
        <source>Configure {name}</source>
        <translation>配置 {name}</translation>
    </message>
</context>
<context>
    <name>ConfigVersions</name>
    <message>
        <source>Configurations of {box}</source>
        <translation>{box} 的配置版本</translation>
    </message>
    <message>
        <source>A version that you go back to is tried as any other: if it does badly, the box leaves it again.</source>
        <translation>返回的版本同样要经过试运行：若表现不佳，边缘盒会自行放弃它。</translation>
    </message>
    <message>
        <source>Go back to this version</source>
        <translation>返回此版本</translation>
    </message>
    <message>
        <source>Version</source>
        <translation>版本</translation>
    </message>
    <message>
        <source>It was edited on the box. That stays as version {number}, and counts no more if you go back.</source>
        <translation>它在盒上被修改过。该修改保留为版本 {number}，若回退则不再生效。</translation>
    </message>
    <message>
        <source>found on the box</source>
        <translation>边缘盒上原有</translation>
    </message>
    <message>
        <source>sent by desktop {who}</source>
        <translation>由电脑 {who} 发送</translation>
    </message>
    <message>
        <source>edited on the box</source>
        <translation>在边缘盒上手动修改</translation>
    </message>
    <message>
        <source>desktop {who} went back to version {of}</source>
        <translation>电脑 {who} 返回到第 {of} 版</translation>
    </message>
    <message>
        <source>the box was given another name</source>
        <translation>边缘盒改了名称</translation>
    </message>
</context>
<context>
    <name>ConflictPanel</name>
    <message>
        <source>Conflicts between desktops: {n}</source>
        <translation>桌面之间的冲突：{n}</translation>
    </message>
    <message>
        <source>Take the other one</source>
        <translation>采用另一个</translation>
    </message>
    <message>
        <source>The other one</source>
        <translation>另一个</translation>
    </message>
    <message>
        <source>Keep what stands</source>
        <translation>保留当前值</translation>
    </message>
    <message>
        <source>What stands</source>
        <translation>当前值</translation>
    </message>
    <message>
        <source>{desktop}, {when}</source>
        <translation>{desktop}，{when}</translation>
    </message>
    <message>
        <source>Box {name}</source>
        <translation>边缘盒 {name}</translation>
    </message>
    <message>
        <source>Group of box {name}</source>
        <translation>边缘盒 {name} 的分组</translation>
    </message>
    <message>
        <source>Label of sample {name}</source>
        <translation>样本 {name} 的标签</translation>
    </message>
    <message>
        <source>Dataset {name}</source>
        <translation>数据集 {name}</translation>
    </message>
    <message>
        <source>Model {name}</source>
        <translation>模型 {name}</translation>
    </message>
    <message>
        <source>Rollout {name}</source>
        <translation>部署 {name}</translation>
    </message>
    <message>
        <source>Decision about {name}</source>
        <translation>关于 {name} 的决定</translation>
    </message>
    <message>
        <source>name</source>
        <translation>名称</translation>
    </message>
    <message>
        <source>address</source>
        <translation>地址</translation>
    </message>
    <message>
        <source>label</source>
        <translation>标签</translation>
    </message>
    <message>
        <source>state</source>
        <translation>状态</translation>
    </message>
    <message>
        <source>plan</source>
        <translation>计划</translation>
    </message>
    <message>
        <source>version</source>
        <translation>版本</translation>
    </message>
    <message>
        <source>choice</source>
        <translation>选择</translation>
    </message>
    <message>
        <source>it is there</source>
        <translation>存在</translation>
    </message>
    <message>
        <source>it was deleted</source>
        <translation>已删除</translation>
    </message>
    <message>
        <source>none</source>
        <translation>无</translation>
    </message>
</context>
<context>
    <name>DecisionPanel</name>
    <message>
        <source>Offer again…</source>
        <translation>再次下发…</translation>
    </message>
    <message>
        <source>Hold</source>
        <translation>保留不动</translation>
    </message>
    <message>
        <source>Blacklist…</source>
        <translation>列入黑名单…</translation>
    </message>
    <message>
        <source>The box forgets that it refused this, and gets it once more when its turn comes.</source>
        <translation>边缘盒不再记得曾拒绝过它，轮到它时会再收到一次。</translation>
    </message>
    <message>
        <source>This box keeps what it has and is left alone with this, until it is offered again.</source>
        <translation>此边缘盒保持现状，不再收到它，直到再次下发为止。</translation>
    </message>
    <message>
        <source>No box of the site is ever offered this again; its rollouts are aborted.</source>
        <translation>本站点的任何边缘盒都不会再收到它；它的部署全部中止。</translation>
    </message>
    <message>
        <source>{box}: held</source>
        <translation>{box}：保留不动</translation>
    </message>
    <message>
        <source>{box}: decide</source>
        <translation>{box}：请决定</translation>
    </message>
    <message>
        <source>Blacklist {model}?</source>
        <translation>将 {model} 列入黑名单？</translation>
    </message>
    <message>
        <source>No box of the site is ever offered it again. This cannot be taken back.</source>
        <translation>本站点的任何边缘盒都不会再收到它。此操作无法撤回。</translation>
    </message>
    <message>
        <source>These boxes run it and keep it, until they are sent back or get another:</source>
        <translation>以下边缘盒正在运行它，并会继续运行，直到被回退或换上其他模型：</translation>
    </message>
    <message>
        <source>No box is known to run it.</source>
        <translation>目前没有已知的边缘盒在运行它。</translation>
    </message>
    <message>
        <source>Blacklist</source>
        <translation>列入黑名单</translation>
    </message>
    <message>
        <source>Offer {model} again?</source>
        <translation>再次下发 {model}？</translation>
    </message>
    <message>
        <source>The box tries it on its live line once more, and goes back by itself if it does badly.</source>
        <translation>边缘盒会在运行的产线上再试一次，表现不好会自行退回。</translation>
    </message>
    <message>
        <source>Offer again</source>
        <translation>再次下发</translation>
    </message>
</context>
<context>
    <name>DecisionsDialog</name>
    <message>
        <source>Decisions</source>
        <translation>决定</translation>
    </message>
    <message>
        <source>Decide</source>
        <translation>决定</translation>
    </message>
    <message>
        <source>Nothing was decided yet.</source>
        <translation>尚未作出任何决定。</translation>
    </message>
    <message>
        <source>No two desktops contradict each other.</source>
        <translation>各台电脑之间没有矛盾。</translation>
    </message>
    <message>
        <source>Decided so far</source>
        <translation>已作出的决定</translation>
    </message>
    <message>
        <source>Between desktops</source>
        <translation>电脑之间的矛盾</translation>
    </message>
    <message>
        <source>Decision</source>
        <translation>决定</translation>
    </message>
    <message>
        <source>Hold from the box</source>
        <translation>让该盒保留不动</translation>
    </message>
    <message>
        <source>Blacklist for all</source>
        <translation>对全部列入黑名单</translation>
    </message>
    <message>
        <source>Box</source>
        <translation>边缘盒</translation>
    </message>
    <message>
        <source>Why</source>
        <translation>原因</translation>
    </message>
    <message>
        <source>Blacklist {model}?</source>
        <translation>将 {model} 列入黑名单？</translation>
    </message>
    <message>
        <source>No box of the site is ever offered it again. This cannot be taken back.</source>
        <translation>本站点的任何边缘盒都不会再收到它。此操作无法撤回。</translation>
    </message>
    <message>
        <source>A model, configuration or program can be held from one box, or kept from every box, also before it was ever offered there.</source>
        <translation>模型、配置或程序可以对单个边缘盒保留不动，也可以对所有边缘盒禁用，即使从未在那里提供过。</translation>
    </message>
    <message>
        <source>What</source>
        <translation>内容</translation>
    </message>
    <message>
        <source>Released models, and configurations and programs from their first rollout on.</source>
        <translation>已发布的模型，以及自首次部署起的配置和程序。</translation>
    </message>
    <message>
        <source>These boxes run it and keep it:</source>
        <translation>以下边缘盒正在运行它，并会继续运行：</translation>
    </message>
    <message>
        <source>No box is known to run it.</source>
        <translation>目前没有已知的边缘盒在运行它。</translation>
    </message>
    <message>
        <source>Blacklist</source>
        <translation>列入黑名单</translation>
    </message>
    <message>
        <source>every box</source>
        <translation>所有边缘盒</translation>
    </message>
    <message>
        <source>{model}: held from {box}</source>
        <translation>{model}：{box} 保留不动</translation>
    </message>
    <message>
        <source>{model}: blacklisted for {box}</source>
        <translation>{model}：已对{box}列入黑名单</translation>
    </message>
    <message>
        <source>{model}: offered again to {box}</source>
        <translation>{model}：将再次下发给 {box}</translation>
    </message>
    <message>
        <source>{model}: was offered again to {box}</source>
        <translation>{model}：已再次下发给 {box}</translation>
    </message>
</context>
<context>
    <name>DemoRun</name>
    <message>
        <source>Demo</source>
        <translation>演示</translation>
    </message>
    <message>
        <source>Done. Both lines still run: look around, and close the window to end the demo.</source>
        <translation>完成。两条产线仍在运行，可以四处看看；关闭窗口即结束演示。</translation>
    </message>
    <message>
        <source>The demo has ended.</source>
        <translation>演示已结束。</translation>
    </message>
</context>
<context>
    <name>DemoStrip</name>
    <message>
        <source>Progress of the demo</source>
        <translation>演示进度</translation>
    </message>
    <message>
        <source>right answers on line 2, before the change</source>
        <translation>2 号线正确率（变化前）</translation>
    </message>
    <message>
        <source>after the change</source>
        <translation>变化后</translation>
    </message>
    <message>
        <source>after the update</source>
        <translation>更新后</translation>
    </message>
    <message>
        <source>A factory is being set up: two boxes, two lines.</source>
        <translation>正在搭建工厂：两台边缘盒，两条产线。</translation>
    </message>
    <message>
        <source>Back</source>
        <translation>返回</translation>
    </message>
</context>
<context>
    <name>DrillPanel</name>
    <message>
        <source>No drill was held from here yet.</source>
        <translation>还没有从这里做过演练。</translation>
    </message>
    <message>
        <source>Hold a drill…</source>
        <translation>演练…</translation>
    </message>
    <message>
        <source>Drills</source>
        <translation>演练</translation>
    </message>
    <message>
        <source>Drill on {name}: {kind}</source>
        <translation>在 {name} 上演练：{kind}</translation>
    </message>
    <message>
        <source>Its end is not known here yet.</source>
        <translation>这里还不知道它的结果。</translation>
    </message>
    <message>
        <source>Frames before, during and after: {before}, {during}, {after}</source>
        <translation>之前、期间和之后的帧数：{before}、{during}、{after}</translation>
    </message>
    <message>
        <source>Longest gap: {ms} ms</source>
        <translation>最长间隔：{ms} 毫秒</translation>
    </message>
    <message>
        <source>Did not answer for {seconds} s</source>
        <translation>{seconds} 秒没有应答</translation>
    </message>
    <message>
        <source>Rows lost: {count}</source>
        <translation>丢失的行数：{count}</translation>
    </message>
    <message>
        <source>The same model answers, and its file was verified.</source>
        <translation>应答的仍是同一个模型，其文件已核验。</translation>
    </message>
</context>
<context>
    <name>EditConfig</name>
    <message>
        <source>Configure {box}</source>
        <translation>配置 {box}</translation>
    </message>
    <message>
        <source>The box checks this and tries it on its own lines. If a line that was at work stops delivering, or no desktop finds the box any more, it goes back by itself.</source>
        <translation>边缘盒会检查此配置，并在自己的产线上试运行。若原本工作的流水线不再出帧，或没有电脑能再找到它，边缘盒会自行恢复原配置。</translation>
    </message>
    <message>
        <source>Try on the box</source>
        <translation>在边缘盒上试运行</translation>
    </message>
    <message>
        <source>… stands for a password that the box keeps for itself; leave it, and it stays as it is.</source>
        <translation>“…”代表边缘盒自行保管的密码；保留它，密码就不变。</translation>
    </message>
    <message>
        <source>Version {number} is on trial just now; this is what stands in edge.toml.</source>
        <translation>第 {number} 版正在试运行；此处是 edge.toml 中现有的内容。</translation>
    </message>
    <message>
        <source>It was edited on the box and counts from its next start, or once it is tried here.</source>
        <translation>它在边缘盒上被手动修改过，下次启动后生效，或在此处试运行后生效。</translation>
    </message>
</context>
<context>
    <name>ErrorDialog</name>
    <message>
        <source>Copy details</source>
        <translation>复制详情</translation>
    </message>
    <message>
        <source>Close</source>
        <translation>关闭</translation>
    </message>
    <message>
        <source>Copied, without secrets</source>
        <translation>已复制，不含机密</translation>
    </message>
    <message>
        <source>Look through {path} before you hand it on.</source>
        <translation>请先查看 {path}，再转交他人。</translation>
    </message>
    <message>
        <source>Make a support bundle</source>
        <translation>制作支持包</translation>
    </message>
</context>
<context>
    <name>ExportDialog</name>
    <message>
        <source>Export to a stick</source>
        <translation>导出到 U 盘</translation>
    </message>
    <message>
        <source>Everything that this desktop has of the site and the stick lacks, in a folder of its own. Every file is read back. Several desktops may add to one stick.</source>
        <translation>写入此桌面端拥有而 U 盘上没有的全部站点内容，放在单独的文件夹中。每个文件都会读回核对。多个桌面端可以共用一个 U 盘。</translation>
    </message>
    <message>
        <source>Export</source>
        <translation>导出</translation>
    </message>
    <message>
        <source>Passphrase</source>
        <translation>口令</translation>
    </message>
    <message>
        <source>Leave it empty for a stick that is not encrypted. It cannot be recovered.</source>
        <translation>U 盘不加密时请留空。口令无法找回。</translation>
    </message>
    <message>
        <source>Once more, for a new stick</source>
        <translation>新 U 盘请再输入一次</translation>
    </message>
    <message>
        <source>Leave the samples&apos; bytes here: they are the most</source>
        <translation>不带样本文件：它们占用最多</translation>
    </message>
    <message>
        <source>The two passphrases differ.</source>
        <translation>两次输入的口令不同。</translation>
    </message>
</context>
<context>
    <name>ExportRoot</name>
    <message>
        <source>Export the root key</source>
        <translation>导出根密钥</translation>
    </message>
    <message>
        <source>Writes one file for the safe: the encrypted root key, the state of the keys, the releases and the boxes. With it and the passphrase a new desktop takes the site over when all others are lost. Export it again after every change here.</source>
        <translation>写出一个放入保险柜的文件：加密的根密钥、密钥状态、发布和边缘盒。所有电脑都丢失时，凭它和口令，一台新电脑即可接管站点。每次在此更改后请重新导出。</translation>
    </message>
    <message>
        <source>Export</source>
        <translation>导出</translation>
    </message>
    <message>
        <source>File to write</source>
        <translation>要写入的文件</translation>
    </message>
    <message>
        <source>Best on a USB stick that lies in a safe.</source>
        <translation>最好写到锁在保险柜里的 U 盘上。</translation>
    </message>
    <message>
        <source>Choose where to write the file first.</source>
        <translation>请先选择文件写入的位置。</translation>
    </message>
</context>
<context>
    <name>FormDialog</name>
    <message>
        <source>Cancel</source>
        <translation>取消</translation>
    </message>
    <message>
        <source>Under way. To close this does not stop it.</source>
        <translation>正在进行。关闭此窗口不会使其停止。</translation>
    </message>
    <message>
        <source>Close</source>
        <translation>关闭</translation>
    </message>
</context>
<context>
    <name>FoundBoxes</name>
    <message>
        <source>Look at these addresses too</source>
        <translation>同时查询这些地址</translation>
    </message>
    <message>
        <source>Look from</source>
        <translation>从哪里查找</translation>
    </message>
    <message>
        <source>From this machine</source>
        <translation>从本机</translation>
    </message>
    <message>
        <source>Look again</source>
        <translation>重新查找</translation>
    </message>
    <message>
        <source>Announcements do not cross routers: name addresses or a subnet on the other side.</source>
        <translation>广播不会穿过路由器：请填写另一侧的地址或网段。</translation>
    </message>
    <message>
        <source>Boxes on the network</source>
        <translation>网络上的边缘盒</translation>
    </message>
    <message>
        <source>Looking…</source>
        <translation>正在查找…</translation>
    </message>
    <message>
        <source>Through {box}</source>
        <translation>经由 {box}</translation>
    </message>
    <message>
        <source>No box was found.</source>
        <translation>没有找到边缘盒。</translation>
    </message>
    <message>
        <source>{n} more: name the address of the one that you want.</source>
        <translation>还有 {n} 台：请直接填写所需那台的地址。</translation>
    </message>
    <message>
        <source>Why a box may be missing</source>
        <translation>可能找不到边缘盒的原因</translation>
    </message>
    <message>
        <source>Listened for {s} s.</source>
        <translation>监听了 {s} 秒。</translation>
    </message>
    <message>
        <source>Asked every address of {networks}.</source>
        <translation>已询问 {networks} 的每个地址。</translation>
    </message>
    <message>
        <source>Enter its code</source>
        <translation>输入配对码</translation>
    </message>
    <message>
        <source>Take address</source>
        <translation>采用此地址</translation>
    </message>
    <message>
        <source>Id: {id}</source>
        <translation>标识：{id}</translation>
    </message>
    <message>
        <source>Enrolled on this desktop. It was at {address}, and is asked here from now on.</source>
        <translation>已在本机登记。它原来在 {address}，今后改为在此处联系它。</translation>
    </message>
    <message>
        <source>Enrolled on this desktop.</source>
        <translation>已在本机登记。</translation>
    </message>
    <message>
        <source>Not proved from here: {box} says that its key answers there.</source>
        <translation>未在此处验证：{box} 称其密钥在那里应答。</translation>
    </message>
    <message>
        <source>Only announced: its key does not answer there.</source>
        <translation>仅有广播：该地址没有它的密钥应答。</translation>
    </message>
    <message>
        <source>Announced under other names, too: {names}.</source>
        <translation>还以其他名称广播：{names}。</translation>
    </message>
    <message>
        <source>Not enrolled yet: it takes its one-time code.</source>
        <translation>尚未登记：可用一次性配对码登记。</translation>
    </message>
    <message>
        <source>Trusts another desktop. Add it here only if it belongs to this site.</source>
        <translation>信任另一台桌面。仅当它属于本站点时才在此添加。</translation>
    </message>
    <message>
        <source>Not on this desktop&apos;s list. Whether it belongs to another site is not known.</source>
        <translation>不在本机的列表中。是否属于其他站点尚不清楚。</translation>
    </message>
    <message>
        <source>Not on this desktop&apos;s list.</source>
        <translation>不在本机的列表中。</translation>
    </message>
</context>
<context>
    <name>FreezeDataset</name>
    <message>
        <source>Freeze a dataset</source>
        <translation>冻结数据集</translation>
    </message>
    <message>
        <source>Every labelled sample becomes part of an immutable version; what is labelled later is not in it.</source>
        <translation>所有已标注的样本组成一个不可更改的版本，之后的标注不会进入其中。</translation>
    </message>
    <message>
        <source>Freeze dataset</source>
        <translation>冻结数据集</translation>
    </message>
    <message>
        <source>For instance: line 2 after the lamp was changed</source>
        <translation>例如：2 号线换灯之后</translation>
    </message>
    <message>
        <source>Name</source>
        <translation>名称</translation>
    </message>
    <message>
        <source>Held out</source>
        <translation>留出</translation>
    </message>
    <message>
        <source>This share is kept away from training; the gate judges the model on it.</source>
        <translation>这部分不参与训练，质量门用它评判模型。</translation>
    </message>
    <message>
        <source>Give it a name first.</source>
        <translation>请先填写名称。</translation>
    </message>
    <message>
        <source>Held-out samples: about {n}. The gate needs at least {least} to judge a model. Label more, or hold out a larger share.</source>
        <translation>留出样本约 {n} 个：质量门至少需要 {least} 个才能评判模型。请标注更多样本，或提高留出比例。</translation>
    </message>
    <message>
        <source>Labelled samples: {n}, labels: {labels}. This share of the samples is kept away from training for the gate.</source>
        <translation>共 {n} 个已标注样本、{labels} 种标签。其中这一比例不参与训练，留给质量门。</translation>
    </message>
</context>
<context>
    <name>HoldDrill</name>
    <message>
        <source>Hold a drill on {box}?</source>
        <translation>在 {box} 上演练？</translation>
    </message>
    <message>
        <source>A real fault on this one box, which ends by itself, also when this desktop is gone.</source>
        <translation>只在这一台盒子上制造真实的故障；即使这台电脑不在，故障也会自行结束。</translation>
    </message>
    <message>
        <source>Hold the drill</source>
        <translation>开始演练</translation>
    </message>
    <message>
        <source>Cut its network</source>
        <translation>切断它的网络</translation>
    </message>
    <message>
        <source>Kill its process</source>
        <translation>杀死它的进程</translation>
    </message>
    <message>
        <source>Fill its disk</source>
        <translation>填满它的磁盘</translation>
    </message>
    <message>
        <source>Put its clock off</source>
        <translation>拨乱它的时钟</translation>
    </message>
    <message>
        <source>Fault</source>
        <translation>故障</translation>
    </message>
    <message>
        <source>Its model, its configuration and the machine&apos;s own clock are not touched.</source>
        <translation>它的模型、配置和机器本身的时钟都不会被改动。</translation>
    </message>
    <message>
        <source>For {seconds} seconds no desktop can reach it. Its lines go on, and what they see waits on its disk.</source>
        <translation>{seconds} 秒内任何电脑都连不上它。它的产线继续运行，所见内容在它的磁盘上等待。</translation>
    </message>
    <message>
        <source>Its process is killed and started again. Its lines stand still meanwhile: frames may be missed.</source>
        <translation>它的进程被杀死并重新启动。其间它的产线停止：可能会漏掉一些帧。</translation>
    </message>
    <message>
        <source>For {seconds} seconds its disk is filled down to its reserve. What waits there is collected first; what it sees meanwhile may go under its limits, and its loss ledger says so.</source>
        <translation>{seconds} 秒内它的磁盘被填到只剩预留空间。等待的内容会先收回；其间所见的内容可能按限额被舍弃，损失账本会记下来。</translation>
    </message>
    <message>
        <source>For {seconds} seconds its software believes that it is a day earlier. What it sees meanwhile is dated so.</source>
        <translation>{seconds} 秒内它的软件以为时间早了一天。其间所见的内容会带上那个日期。</translation>
    </message>
</context>
<context>
    <name>ImportDialog</name>
    <message>
        <source>Import from a stick</source>
        <translation>从 U 盘导入</translation>
    </message>
    <message>
        <source>What other desktops of this site exported. Everything is checked before it is used; what is damaged is named and passed by.</source>
        <translation>本站点其他桌面端导出的内容。一切在使用前都会检查；损坏的内容会被列出并跳过。</translation>
    </message>
    <message>
        <source>Import</source>
        <translation>导入</translation>
    </message>
    <message>
        <source>Passphrase</source>
        <translation>口令</translation>
    </message>
    <message>
        <source>Only of a stick that is encrypted.</source>
        <translation>仅用于已加密的 U 盘。</translation>
    </message>
</context>
<context>
    <name>ImportResult</name>
    <message>
        <source>Import a result</source>
        <translation>导入训练结果</translation>
    </message>
    <message>
        <source>The result is quantized to int8 and judged against fp32 on samples that training never saw.</source>
        <translation>结果已量化为 int8，并在训练从未见过的样本上与 fp32 对比评判。</translation>
    </message>
    <message>
        <source>Import result</source>
        <translation>导入结果</translation>
    </message>
    <message>
        <source>Finished burst</source>
        <translation>已完成的训练任务</translation>
    </message>
    <message>
        <source>Model name</source>
        <translation>模型名称</translation>
    </message>
    <message>
        <source>Small letters, digits and hyphens. A newer result under the same name is its next release.</source>
        <translation>小写字母、数字和连字符。同名的新结果即为下一版。</translation>
    </message>
    <message>
        <source>Give the model a name first.</source>
        <translation>请先填写模型名称。</translation>
    </message>
    <message>
        <source>Import {name}</source>
        <translation>导入 {name}</translation>
    </message>
    <message>
        <source>No finished burst waits to be imported. Start one on the page Training.</source>
        <translation>没有待导入的训练结果。请在“训练”页启动训练任务。</translation>
    </message>
</context>
<context>
    <name>IntroduceToBoxes</name>
    <message>
        <source>Introduce to boxes</source>
        <translation>向边缘盒引荐</translation>
    </message>
    <message>
        <source>For boxes that do not let this desktop in: after a recovery, or where no desktop that they know is at hand. With the root key as the proof each box that answers gets the newest state of the keys.</source>
        <translation>用于不接受本机的边缘盒：恢复站点之后，或手边没有它们认识的电脑时。以根密钥为证，每台有应答的边缘盒都会得到最新的密钥状态。</translation>
    </message>
    <message>
        <source>Introduce</source>
        <translation>引荐</translation>
    </message>
    <message>
        <source>All others know this desktop now; the boxes in the list did not take it.</source>
        <translation>其他边缘盒现在都认识本机；列表中的边缘盒未接受。</translation>
    </message>
</context>
<context>
    <name>JobRow</name>
    <message>
        <source>Cancel</source>
        <translation>取消</translation>
    </message>
    <message>
        <source>Cancel {job}</source>
        <translation>取消“{job}”</translation>
    </message>
    <message>
        <source>Stopping…</source>
        <translation>正在停止…</translation>
    </message>
    <message>
        <source>Done</source>
        <translation>完成</translation>
    </message>
    <message>
        <source>Cancelled</source>
        <translation>已取消</translation>
    </message>
    <message>
        <source>Failed</source>
        <translation>失败</translation>
    </message>
    <message>
        <source>Dismiss</source>
        <translation>关闭</translation>
    </message>
    <message>
        <source>Dismiss {job}</source>
        <translation>关闭“{job}”</translation>
    </message>
    <message>
        <source>Details</source>
        <translation>详情</translation>
    </message>
    <message>
        <source>Details of {job}</source>
        <translation>{job} 的详情</translation>
    </message>
</context>
<context>
    <name>JobTray</name>
    <message>
        <source>Jobs</source>
        <translation>作业</translation>
    </message>
    <message>
        <source>Dismiss all</source>
        <translation>全部关闭</translation>
    </message>
</context>
<context>
    <name>JoinSite</name>
    <message>
        <source>Join a site</source>
        <translation>加入站点</translation>
    </message>
    <message>
        <source>Save a request to a stick and carry it to a desktop of the site. There, “Admit a desktop” in Settings turns it into an admission: bring that back.</source>
        <translation>把申请保存到 U 盘，带到站点的一台电脑上。在那里的“设置”中，“准入一台电脑”会把它变成准入文件：把它带回来。</translation>
    </message>
    <message>
        <source>Join</source>
        <translation>加入</translation>
    </message>
    <message>
        <source>Name of this desktop</source>
        <translation>本机的名称</translation>
    </message>
    <message>
        <source>Request to write</source>
        <translation>要写入的申请</translation>
    </message>
    <message>
        <source>Save request</source>
        <translation>保存申请</translation>
    </message>
    <message>
        <source>Admission</source>
        <translation>准入文件</translation>
    </message>
    <message>
        <source>The file that the other desktop wrote.</source>
        <translation>另一台电脑写出的文件。</translation>
    </message>
    <message>
        <source>The other desktop shows the same number under “Desktops and keys”</source>
        <translation>另一台电脑在“电脑与密钥”中显示的编号与此相同</translation>
    </message>
    <message>
        <source>Choose where to write the file first.</source>
        <translation>请先选择文件写入的位置。</translation>
    </message>
    <message>
        <source>The number of the site {name}:</source>
        <translation>站点 {name} 的编号：</translation>
    </message>
    <message>
        <source>Choose the admission first.</source>
        <translation>请先选择准入文件。</translation>
    </message>
    <message>
        <source>Compare the number with what the other desktop shows, and say that it is the same.</source>
        <translation>请与另一台电脑上显示的编号核对，并确认两者相同。</translation>
    </message>
    <message>
        <source>Saved. This desktop&apos;s fingerprint, to compare there:</source>
        <translation>已保存。请在那边核对本机的指纹：</translation>
    </message>
</context>
<context>
    <name>KeyDialog</name>
    <message>
        <source>Root key</source>
        <translation>根密钥</translation>
    </message>
    <message>
        <source>root.key.pem, or the file that was exported for the safe: plug the stick in.</source>
        <translation>root.key.pem，或为保险柜导出的文件：请插入 U 盘。</translation>
    </message>
    <message>
        <source>Passphrase</source>
        <translation>口令</translation>
    </message>
    <message>
        <source>Choose the root key&apos;s file first.</source>
        <translation>请先选择根密钥文件。</translation>
    </message>
</context>
<context>
    <name>KeySettings</name>
    <message>
        <source>Admit a desktop…</source>
        <translation>准入一台电脑…</translation>
    </message>
    <message>
        <source>Export the root key…</source>
        <translation>导出根密钥…</translation>
    </message>
    <message>
        <source>New keys for this desktop…</source>
        <translation>为本机换新密钥…</translation>
    </message>
    <message>
        <source>Replace the root key…</source>
        <translation>更换根密钥…</translation>
    </message>
    <message>
        <source>Introduce to boxes…</source>
        <translation>向边缘盒引荐…</translation>
    </message>
    <message>
        <source>The date is right…</source>
        <translation>日期没错…</translation>
    </message>
    <message>
        <source>Only the desktops in this list can talk to the boxes and sign releases. Every change is signed with the site&apos;s root key; each box learns of it the next time that any desktop reaches it, with or without a network.</source>
        <translation>只有此列表中的电脑可以与边缘盒通信并签署发布。每次更改都用站点的根密钥签名；无论有无网络，任何一台电脑下次联系到边缘盒时，它就会得知。</translation>
    </message>
    <message>
        <source>This site&apos;s keys are of an earlier version; the first change begins the list.</source>
        <translation>本站点的密钥来自早期版本；第一次更改时开始此列表。</translation>
    </message>
    <message>
        <source>Number of the site</source>
        <translation>站点编号</translation>
    </message>
    <message>
        <source>State of the keys</source>
        <translation>密钥状态</translation>
    </message>
    <message>
        <source>No. {number}</source>
        <translation>第 {number} 号</translation>
    </message>
    <message>
        <source>Nothing is signed for now</source>
        <translation>目前不签署任何内容</translation>
    </message>
    <message>
        <source>Boxes that have not heard of it</source>
        <translation>尚未得知的边缘盒</translation>
    </message>
    <message>
        <source>This desktop</source>
        <translation>本机</translation>
    </message>
    <message>
        <source>Struck off: boxes refuse it. Have it admitted again.</source>
        <translation>已除名：边缘盒会拒绝它。请重新准入。</translation>
    </message>
    <message>
        <source>One that was replaced lies on this desktop. It signs nothing any more: delete it.</source>
        <translation>这台电脑上的根密钥已被替换，不再能签任何内容：请删除它。</translation>
    </message>
    <message>
        <source>On this desktop, encrypted. Export it to a stick in a safe.</source>
        <translation>在本机上，已加密。请导出到锁在保险柜里的 U 盘。</translation>
    </message>
    <message>
        <source>Not on this desktop, as it should be.</source>
        <translation>不在本机上，理应如此。</translation>
    </message>
    <message>
        <source>Root key</source>
        <translation>根密钥</translation>
    </message>
    <message>
        <source>Is the date right?</source>
        <translation>日期对吗？</translation>
    </message>
    <message>
        <source>This desktop&apos;s clock says {date}. The releases are signed as of this date, and boxes take nothing older from then on.</source>
        <translation>本机时钟显示 {date}。发布将以此日期签署，此后边缘盒不再接受更早的内容。</translation>
    </message>
    <message>
        <source>The date is right</source>
        <translation>日期没错</translation>
    </message>
    <message>
        <source>Confirm the date</source>
        <translation>确认日期</translation>
    </message>
    <message>
        <source>Strike off…</source>
        <translation>除名…</translation>
    </message>
    <message>
        <source>The site&apos;s only desktop cannot be struck off.</source>
        <translation>站点唯一的电脑不能除名。</translation>
    </message>
</context>
<context>
    <name>LabelBox</name>
    <message>
        <source>Labels of {box}</source>
        <translation>{box} 的标签</translation>
    </message>
    <message>
        <source>All boxes with one label are a group: a rollout can go to them by it.</source>
        <translation>带同一标签的边缘盒为一组：可按标签部署。</translation>
    </message>
    <message>
        <source>Save labels</source>
        <translation>保存标签</translation>
    </message>
    <message>
        <source>Labels</source>
        <translation>标签</translation>
    </message>
    <message>
        <source>Plain words with commas between, such as: press, hall 2</source>
        <translation>用逗号分隔的普通词语，例如：冲压, 2号车间</translation>
    </message>
</context>
<context>
    <name>LabelPanel</name>
    <message>
        <source>Labels…</source>
        <translation>标签…</translation>
    </message>
    <message>
        <source>, </source>
        <translation>、</translation>
    </message>
    <message>
        <source>No labels</source>
        <translation>没有标签</translation>
    </message>
</context>
<context>
    <name>LossesTab</name>
    <message>
        <source>Waits on the box</source>
        <translation>盒上待收取</translation>
    </message>
    <message>
        <source>When</source>
        <translation>时间</translation>
    </message>
    <message>
        <source>How many</source>
        <translation>数量</translation>
    </message>
    <message>
        <source>Size</source>
        <translation>大小</translation>
    </message>
    <message>
        <source>From</source>
        <translation>起</translation>
    </message>
    <message>
        <source>To</source>
        <translation>止</translation>
    </message>
    <message>
        <source>Losses</source>
        <translation>丢失</translation>
    </message>
    <message>
        <source>What</source>
        <translation>内容</translation>
    </message>
    <message>
        <source>Why</source>
        <translation>原因</translation>
    </message>
    <message>
        <source>{why} From {first} to {last}. [{reason}]</source>
        <translation>{why}从 {first} 到 {last}。[{reason}]</translation>
    </message>
    <message>
        <source>Nothing was lost. What a box must let go before it is collected will stand here.</source>
        <translation>没有丢失。边缘盒在被收取之前不得不舍弃的内容会列在这里。</translation>
    </message>
    <message>
        <source>Collect now</source>
        <translation>立即收取</translation>
    </message>
    <message>
        <source>Not on disk yet</source>
        <translation>尚未写盘</translation>
    </message>
</context>
<context>
    <name>MainWindow</name>
    <message>
        <source>Starting…</source>
        <translation>正在启动…</translation>
    </message>
    <message>
        <source>Boxes</source>
        <translation>边缘盒</translation>
    </message>
    <message>
        <source>Samples</source>
        <translation>样本</translation>
    </message>
    <message>
        <source>Training</source>
        <translation>训练</translation>
    </message>
    <message>
        <source>Models</source>
        <translation>模型</translation>
    </message>
    <message>
        <source>Rollouts</source>
        <translation>部署</translation>
    </message>
    <message>
        <source>Activity</source>
        <translation>活动记录</translation>
    </message>
    <message>
        <source>Settings</source>
        <translation>设置</translation>
    </message>
    <message>
        <source>Box {name}</source>
        <translation>边缘盒 {name}</translation>
    </message>
    <message>
        <source>Model {name} {version}</source>
        <translation>模型 {name} {version}</translation>
    </message>
</context>
<context>
    <name>MakeBundle</name>
    <message>
        <source>Make a support bundle</source>
        <translation>制作支持包</translation>
    </message>
    <message>
        <source>A zip of logs, settings, versions, audits, losses and figures of this desktop and of the boxes that answer. Secrets are taken out, samples and models are not in it, and it is sent nowhere.</source>
        <translation>一个压缩包，含这台电脑和能应答的盒子的日志、设置、版本、审计、损失和数据。机密已去除，不含样本和模型，也不会发送到任何地方。</translation>
    </message>
    <message>
        <source>Make it</source>
        <translation>制作</translation>
    </message>
    <message>
        <source>File</source>
        <translation>文件</translation>
    </message>
    <message>
        <source>Leave out names and addresses, too</source>
        <translation>名称和地址也去掉</translation>
    </message>
    <message>
        <source>Say where it is to lie.</source>
        <translation>请指明存放位置。</translation>
    </message>
</context>
<context>
    <name>MetricsSettings</name>
    <message>
        <source>Write to the store now</source>
        <translation>立即写入存储</translation>
    </message>
    <message>
        <source>Frames on this desktop, once they are in the store</source>
        <translation>本机上的逐帧结果（已在存储中）</translation>
    </message>
    <message>
        <source>Frames on this desktop that never came to the store</source>
        <translation>本机上的逐帧结果（从未写入存储）</translation>
    </message>
    <message>
        <source>Minutes on this desktop, once they are in the store</source>
        <translation>本机上的分钟汇总（已在存储中）</translation>
    </message>
    <message>
        <source>Frames in the store</source>
        <translation>存储中的逐帧结果</translation>
    </message>
    <message>
        <source>Minutes in the store</source>
        <translation>存储中的分钟汇总</translation>
    </message>
    <message>
        <source>How long they are kept</source>
        <translation>保留时间</translation>
    </message>
    <message>
        <source>Hours, days and labels are kept for ever. Nothing goes from here before the store was asked whether it still has it.</source>
        <translation>小时汇总、日汇总和标签永久保留。删除本机数据之前，总会先向存储确认数据仍在那里。</translation>
    </message>
    <message>
        <source>Frames</source>
        <translation>逐帧结果</translation>
    </message>
    <message>
        <source>Minutes</source>
        <translation>分钟汇总</translation>
    </message>
    <message>
        <source>Hours</source>
        <translation>小时汇总</translation>
    </message>
    <message>
        <source>Days</source>
        <translation>日汇总</translation>
    </message>
    <message>
        <source>Labels</source>
        <translation>标签</translation>
    </message>
    <message>
        <source>Last written</source>
        <translation>上次写入</translation>
    </message>
    <message>
        <source>Write figures to the store</source>
        <translation>将统计数据写入存储</translation>
    </message>
    <message>
        <source>in the store {rows} (files: {files}, {size})</source>
        <translation>存储中 {rows}（{files} 个文件，{size}）</translation>
    </message>
    <message>
        <source>waiting {count}</source>
        <translation>等待 {count}</translation>
    </message>
    <message>
        <source>here {count}</source>
        <translation>本机 {count}</translation>
    </message>
    <message>
        <source>, </source>
        <translation>，</translation>
    </message>
    <message>
        <source>{count} days</source>
        <translation>{count} 天</translation>
    </message>
    <message>
        <source>for ever</source>
        <translation>永久</translation>
    </message>
</context>
<context>
    <name>MinutesTab</name>
    <message>
        <source>Pipeline</source>
        <translation>流水线</translation>
    </message>
    <message>
        <source>Frames per minute</source>
        <translation>每分钟帧数</translation>
    </message>
    <message>
        <source>Latency in ms</source>
        <translation>延迟（毫秒）</translation>
    </message>
    <message>
        <source>median</source>
        <translation>中位数</translation>
    </message>
    <message>
        <source>1 in 100</source>
        <translation>最慢 1%</translation>
    </message>
    <message>
        <source>Errors per minute</source>
        <translation>每分钟错误数</translation>
    </message>
    <message>
        <source>Minutes</source>
        <translation>分钟汇总</translation>
    </message>
    <message>
        <source>{pipeline} answered: {answers}</source>
        <translation>{pipeline} 的回答：{answers}</translation>
    </message>
    <message>
        <source>No minute of this box was collected yet.</source>
        <translation>尚未收取此边缘盒的分钟汇总。</translation>
    </message>
    <message>
        <source>Collect now</source>
        <translation>立即收取</translation>
    </message>
    <message>
        <source>Minute</source>
        <translation>分钟</translation>
    </message>
    <message>
        <source>Frames</source>
        <translation>帧数</translation>
    </message>
    <message>
        <source>Errors</source>
        <translation>错误</translation>
    </message>
    <message>
        <source>Kept</source>
        <translation>留存</translation>
    </message>
    <message>
        <source>Confidence</source>
        <translation>置信度</translation>
    </message>
    <message>
        <source>Median ms</source>
        <translation>中位毫秒</translation>
    </message>
    <message>
        <source>1 in 100 ms</source>
        <translation>最慢 1% 毫秒</translation>
    </message>
    <message>
        <source>Model</source>
        <translation>模型</translation>
    </message>
    <message>
        <source>Answers</source>
        <translation>回答</translation>
    </message>
</context>
<context>
    <name>ModelDetail</name>
    <message>
        <source>Prove on box…</source>
        <translation>实机验证…</translation>
    </message>
    <message>
        <source>Release</source>
        <translation>签发</translation>
    </message>
    <message>
        <source>Roll out…</source>
        <translation>部署…</translation>
    </message>
    <message>
        <source>fp32 accuracy</source>
        <translation>fp32 准确率</translation>
    </message>
    <message>
        <source>int8 accuracy</source>
        <translation>int8 准确率</translation>
    </message>
    <message>
        <source>times smaller</source>
        <translation>缩小倍数</translation>
    </message>
    <message>
        <source>Gate</source>
        <translation>质量门</translation>
    </message>
    <message>
        <source>Proved on boxes</source>
        <translation>实机验证</translation>
    </message>
    <message>
        <source>Where it came from</source>
        <translation>来源</translation>
    </message>
    <message>
        <source>No box has tried it yet.</source>
        <translation>还没有边缘盒试过它。</translation>
    </message>
    <message>
        <source>Bundle</source>
        <translation>模型包</translation>
    </message>
    <message>
        <source>Bundle file</source>
        <translation>模型包文件</translation>
    </message>
    <message>
        <source>Burst</source>
        <translation>训练任务</translation>
    </message>
    <message>
        <source>Dataset</source>
        <translation>数据集</translation>
    </message>
    <message>
        <source>Made</source>
        <translation>生成时间</translation>
    </message>
    <message>
        <source>Not judged</source>
        <translation>未评判</translation>
    </message>
    <message>
        <source>Passed</source>
        <translation>通过</translation>
    </message>
    <message>
        <source>Refused</source>
        <translation>被拒</translation>
    </message>
    <message>
        <source>Held-out samples</source>
        <translation>留出样本</translation>
    </message>
    <message>
        <source>Runs now</source>
        <translation>当前模型</translation>
    </message>
    <message>
        <source>Size</source>
        <translation>大小</translation>
    </message>
    <message>
        <source>{fp32} as fp32, {int8} as int8</source>
        <translation>fp32 {fp32}，int8 {int8}</translation>
    </message>
    <message>
        <source>{ms} ms (p95), {agreed} of {total} golden cases, {memory}, onnxruntime {runtime}</source>
        <translation>{ms} 毫秒（p95），黄金样例 {agreed}/{total}，{memory}，onnxruntime {runtime}</translation>
    </message>
    <message>
        <source>Signed: it can be rolled out to boxes.</source>
        <translation>已签名：可以部署到边缘盒。</translation>
    </message>
    <message>
        <source>The gate refused it; nothing of it goes to the line.</source>
        <translation>质量门拒绝了它，不会进入产线。</translation>
    </message>
    <message>
        <source>Next: let a box prove it, on the very hardware that will run it.</source>
        <translation>下一步：在将要运行它的边缘盒上实机验证。</translation>
    </message>
    <message>
        <source>Next: release it, which signs it for the boxes of this site.</source>
        <translation>下一步：签发，即为本站点的边缘盒签名。</translation>
    </message>
    <message>
        <source>A box refused it: read the reason below.</source>
        <translation>有边缘盒拒绝了它：原因见下。</translation>
    </message>
    <message>
        <source>Release…</source>
        <translation>签发…</translation>
    </message>
</context>
<context>
    <name>ModelsPage</name>
    <message>
        <source>Models</source>
        <translation>模型</translation>
    </message>
    <message>
        <source>Name</source>
        <translation>名称</translation>
    </message>
    <message>
        <source>Version</source>
        <translation>版本</translation>
    </message>
    <message>
        <source>State</source>
        <translation>状态</translation>
    </message>
    <message>
        <source>fp32</source>
        <translation>fp32</translation>
    </message>
    <message>
        <source>int8</source>
        <translation>int8</translation>
    </message>
    <message>
        <source>Size</source>
        <translation>大小</translation>
    </message>
    <message>
        <source>Made</source>
        <translation>生成时间</translation>
    </message>
    <message>
        <source>Import result…</source>
        <translation>导入结果…</translation>
    </message>
    <message>
        <source>No model yet: import the result of a finished burst, and the gate will judge it.</source>
        <translation>还没有模型：导入已完成训练任务的结果，由质量门评判。</translation>
    </message>
    <message>
        <source>Import a result…</source>
        <translation>导入结果…</translation>
    </message>
    <message>
        <source>Release {name} {version}</source>
        <translation>签发 {name} {version}</translation>
    </message>
    <message>
        <source>{n} in all, {released} released</source>
        <translation>共 {n} 个，{released} 个已签发</translation>
    </message>
    <message>
        <source>It is signed for every box of this site, and can be rolled out from then on.</source>
        <translation>将为本站点的所有边缘盒签名，此后即可部署。</translation>
    </message>
    <message>
        <source>Prove {name} {version} on a box…</source>
        <translation>在边缘盒上验证 {name} {version}…</translation>
    </message>
    <message>
        <source>Release</source>
        <translation>签发</translation>
    </message>
    <message>
        <source>Release this model?</source>
        <translation>签发此模型？</translation>
    </message>
    <message>
        <source>Release {name} {version}…</source>
        <translation>签发 {name} {version}…</translation>
    </message>
</context>
<context>
    <name>NewIdentity</name>
    <message>
        <source>Give the copy a new identity?</source>
        <translation>赋予副本新身份？</translation>
    </message>
    <message>
        <source>The machine at {address} makes a new key and is another box from then on. Its line goes on meanwhile; what it has seen, its models and its settings stay. {name} keeps its own identity.</source>
        <translation>位于 {address} 的机器将生成新密钥，此后成为另一个边缘盒。其产线照常运行；所见数据、模型和设置均保留。{name} 保持自己的身份。</translation>
    </message>
    <message>
        <source>Give the copy a new identity</source>
        <translation>赋予副本新身份</translation>
    </message>
    <message>
        <source>Name of the copy</source>
        <translation>副本的名称</translation>
    </message>
    <message>
        <source>Written to its edge.toml; nothing else there changes.</source>
        <translation>写入它的 edge.toml；其他内容不变。</translation>
    </message>
    <message>
        <source>Give it a name.</source>
        <translation>请为它命名。</translation>
    </message>
</context>
<context>
    <name>NewKeys</name>
    <message>
        <source>New keys for this desktop</source>
        <translation>为本机换新密钥</translation>
    </message>
    <message>
        <source>When a copy of this desktop&apos;s keys may have come into other hands. The old keys are worth nothing once a box has heard of the new ones.</source>
        <translation>当本机的密钥副本可能落入他人之手时使用。边缘盒得知新密钥后，旧密钥即告作废。</translation>
    </message>
    <message>
        <source>Make new keys</source>
        <translation>生成新密钥</translation>
    </message>
</context>
<context>
    <name>NewVersion</name>
    <message>
        <source>Bring {box} another version of its program</source>
        <translation>为 {box} 更换程序版本</translation>
    </message>
    <message>
        <source>What it lacks is sent over its own connection, and tried there: its lines stand still for a few seconds. If the new version does not do as well, the box goes back by itself.</source>
        <translation>缺少的部分通过盒子自己的连接发送，并在那里试运行：产线会停顿几秒。如果新版本表现不如原来，盒子会自行恢复。</translation>
    </message>
    <message>
        <source>Send and try it</source>
        <translation>发送并试运行</translation>
    </message>
    <message>
        <source>Edge bundle (optional)</source>
        <translation>边缘安装包（可选）</translation>
    </message>
    <message>
        <source>What `make edge-bundle` built; otherwise it is taken from where bundles usually lie.</source>
        <translation>由 `make edge-bundle` 构建；留空则从安装包的常用位置获取。</translation>
    </message>
    <message>
        <source>If it was given up there before</source>
        <translation>若以前曾在那里被放弃</translation>
    </message>
    <message>
        <source>Leave it</source>
        <translation>不再尝试</translation>
    </message>
    <message>
        <source>Try it again</source>
        <translation>再试一次</translation>
    </message>
    <message>
        <source>See what it takes</source>
        <translation>查看所需</translation>
    </message>
    <message>
        <source>Asks the box what it would need, and changes nothing</source>
        <translation>询问盒子需要什么，不做任何更改</translation>
    </message>
    <message>
        <source>Runs now</source>
        <translation>当前运行</translation>
    </message>
    <message>
        <source>New version</source>
        <translation>新版本</translation>
    </message>
    <message>
        <source>To send</source>
        <translation>需发送</translation>
    </message>
    <message>
        <source>{size} of {whole} (files that it lacks: {n})</source>
        <translation>{size}，共 {whole}（缺少的文件：{n}）</translation>
    </message>
    <message>
        <source>Takes</source>
        <translation>耗时</translation>
    </message>
    <message>
        <source>{minutes} min ({rate} a second, measured now)</source>
        <translation>{minutes} 分钟（每秒 {rate}，刚刚测得）</translation>
    </message>
    <message>
        <source>Free disk</source>
        <translation>剩余磁盘</translation>
    </message>
    <message>
        <source>That very version runs there already.</source>
        <translation>那里已经在运行这个版本。</translation>
    </message>
</context>
<context>
    <name>NoteDialog</name>
    <message>
        <source>Write a note</source>
        <translation>写备注</translation>
    </message>
    <message>
        <source>It becomes a part of the report and cannot be changed afterwards.</source>
        <translation>它会成为报告的一部分，之后无法更改。</translation>
    </message>
    <message>
        <source>Add note</source>
        <translation>添加备注</translation>
    </message>
    <message>
        <source>Note</source>
        <translation>备注</translation>
    </message>
    <message>
        <source>The whole site</source>
        <translation>整个站点</translation>
    </message>
    <message>
        <source>About</source>
        <translation>关于</translation>
    </message>
    <message>
        <source>Write something first.</source>
        <translation>请先写点内容。</translation>
    </message>
</context>
<context>
    <name>PackDialog</name>
    <message>
        <source>Pack for the trip</source>
        <translation>为出行打包</translation>
    </message>
    <message>
        <source>Pack</source>
        <translation>打包</translation>
    </message>
    <message>
        <source>Everything that the plan wants, sealed by this desktop. What lies there already is not written again, and there is no secret in it.</source>
        <translation>计划所需的全部内容，由本机封存。已有的内容不会重复写入，其中不含任何机密。</translation>
    </message>
    <message>
        <source>Take over a pack</source>
        <translation>接收数据包</translation>
    </message>
    <message>
        <source>Take over</source>
        <translation>接收</translation>
    </message>
    <message>
        <source>A pack that another desktop of this site made. Every file is checked before anything of it is used.</source>
        <translation>由本站点另一台电脑制作的数据包。使用其中任何内容之前都会检查每个文件。</translation>
    </message>
    <message>
        <source>Folder on the stick or on this desktop</source>
        <translation>U 盘或本机上的文件夹</translation>
    </message>
    <message>
        <source>Boxes to go to</source>
        <translation>要前往的边缘盒</translation>
    </message>
    <message>
        <source>Choose a folder first.</source>
        <translation>请先选择文件夹。</translation>
    </message>
    <message>
        <source>Tick at least one box.</source>
        <translation>请至少勾选一台边缘盒。</translation>
    </message>
</context>
<context>
    <name>Palette</name>
    <message>
        <source>Search</source>
        <translation>搜索</translation>
    </message>
    <message>
        <source>Go to a page, a box, a model, or do something</source>
        <translation>前往页面、边缘盒、模型，或执行操作</translation>
    </message>
    <message>
        <source>What was found</source>
        <translation>搜索结果</translation>
    </message>
</context>
<context>
    <name>PathField</name>
    <message>
        <source>Browse…</source>
        <translation>浏览…</translation>
    </message>
</context>
<context>
    <name>ProveOnBox</name>
    <message>
        <source>Prove {name} {version}</source>
        <translation>实机验证 {name} {version}</translation>
    </message>
    <message>
        <source>The box replays the golden cases in a sandbox and measures its own latency. Nothing is installed.</source>
        <translation>边缘盒在沙箱中重放黄金样例并测量自身延迟，不会安装任何东西。</translation>
    </message>
    <message>
        <source>Prove on box</source>
        <translation>开始验证</translation>
    </message>
    <message>
        <source>Box</source>
        <translation>边缘盒</translation>
    </message>
    <message>
        <source>Prove {version} on {box}</source>
        <translation>在 {box} 上验证 {version}</translation>
    </message>
</context>
<context>
    <name>RecoverSite</name>
    <message>
        <source>Recover a site</source>
        <translation>恢复站点</translation>
    </message>
    <message>
        <source>When every desktop of the site is lost: with the file from the safe and its passphrase this desktop takes over, and all others are struck off. Boxes that answer now hear of it at once.</source>
        <translation>当站点的所有电脑都丢失时：凭保险柜里的文件及其口令，本机接管站点，其他电脑全部除名。现在有应答的边缘盒会立即得知。</translation>
    </message>
    <message>
        <source>Recover site</source>
        <translation>恢复站点</translation>
    </message>
    <message>
        <source>File from the safe</source>
        <translation>保险柜里的文件</translation>
    </message>
    <message>
        <source>What “Export the root key” wrote.</source>
        <translation>“导出根密钥”写出的文件。</translation>
    </message>
    <message>
        <source>Passphrase</source>
        <translation>口令</translation>
    </message>
    <message>
        <source>Name of this desktop</source>
        <translation>本机的名称</translation>
    </message>
    <message>
        <source>Choose the file from the safe first.</source>
        <translation>请先选择保险柜里的文件。</translation>
    </message>
    <message>
        <source>The site is recovered. These boxes did not take it over, and until then they obey the desktops of before. When you reach them, use “Introduce to boxes” in Settings:</source>
        <translation>站点已恢复。以下边缘盒尚未接受，在此之前仍听从原来的电脑。能联系到它们时，请在“设置”中使用“向边缘盒引荐”：</translation>
    </message>
    <message>
        <source>Open the site</source>
        <translation>打开站点</translation>
    </message>
</context>
<context>
    <name>ReleaseBox</name>
    <message>
        <source>Take Lineside off {box}?</source>
        <translation>要从 {box} 移除 Lineside 吗？</translation>
    </message>
    <message>
        <source>Programs, models, keys and everything that the box saw are removed from it over SSH, and it is shown that nothing is left. The machine itself stays as it is.</source>
        <translation>将通过 SSH 删除该盒子上的程序、模型、密钥以及它看到的一切，并证明没有任何残留。机器本身保持不变。</translation>
    </message>
    <message>
        <source>Take Lineside off {box}</source>
        <translation>从 {box} 移除 Lineside</translation>
    </message>
    <message>
        <source>What waits there</source>
        <translation>等待中的数据</translation>
    </message>
    <message>
        <source>Collect it first</source>
        <translation>先取回</translation>
    </message>
    <message>
        <source>Stop if there is any</source>
        <translation>若有则停止</translation>
    </message>
    <message>
        <source>Let it go</source>
        <translation>放弃</translation>
    </message>
    <message>
        <source>What waits there for a desktop</source>
        <translation>盒子上等待桌面取走的数据</translation>
    </message>
</context>
<context>
    <name>ReleaseMachine</name>
    <message>
        <source>Take Lineside off a machine that is not listed?</source>
        <translation>要从不在列表中的机器上移除 Lineside 吗？</translation>
    </message>
    <message>
        <source>Whatever of Lineside is on it is removed over SSH: half an enrolment, or a box that was forgotten. A box that is on the list is released on its own page.</source>
        <translation>通过 SSH 移除其上与 Lineside 有关的一切：未完成的登记，或已被忘记的盒子。列表中的盒子请在其自己的页面上移除。</translation>
    </message>
    <message>
        <source>Take Lineside off it</source>
        <translation>从该机器移除 Lineside</translation>
    </message>
    <message>
        <source>Whose box it may be</source>
        <translation>可以是谁的盒子</translation>
    </message>
    <message>
        <source>This site&apos;s</source>
        <translation>本站点的</translation>
    </message>
    <message>
        <source>Anybody&apos;s</source>
        <translation>任何人的</translation>
    </message>
    <message>
        <source>What waits there</source>
        <translation>等待中的数据</translation>
    </message>
    <message>
        <source>Stop if there is any</source>
        <translation>若有则停止</translation>
    </message>
    <message>
        <source>Let it go</source>
        <translation>放弃</translation>
    </message>
    <message>
        <source>What waits there for a desktop</source>
        <translation>盒子上等待桌面取走的数据</translation>
    </message>
</context>
<context>
    <name>ReplaceRoot</name>
    <message>
        <source>Replace the root key</source>
        <translation>更换根密钥</translation>
    </message>
    <message>
        <source>When the key or its passphrase may have come into other hands. The new key takes the place of the old one in the file; every other copy is worth nothing from then on, so export it again.</source>
        <translation>当密钥或其口令可能落入他人之手时使用。新密钥在文件中取代旧密钥；此后其他副本全部作废，因此请重新导出。</translation>
    </message>
    <message>
        <source>Replace root key</source>
        <translation>更换根密钥</translation>
    </message>
    <message>
        <source>New passphrase</source>
        <translation>新口令</translation>
    </message>
    <message>
        <source>New passphrase again</source>
        <translation>再次输入新口令</translation>
    </message>
    <message>
        <source>The two passphrases differ.</source>
        <translation>两次输入的口令不一致。</translation>
    </message>
</context>
<context>
    <name>ReportDialog</name>
    <message>
        <source>Write the report</source>
        <translation>写出报告</translation>
    </message>
    <message>
        <source>{visit}: before and after of every box, receipts and proof. This desktop seals the file.</source>
        <translation>{visit}：每个边缘盒的巡检前后、回执与证明。文件由本机封存。</translation>
    </message>
    <message>
        <source>Write report</source>
        <translation>写出报告</translation>
    </message>
    <message>
        <source>File</source>
        <translation>文件</translation>
    </message>
    <message>
        <source>A name that ends in .pdf for printing, or in .html for a browser.</source>
        <translation>以 .pdf 结尾便于打印，以 .html 结尾可在浏览器中查看。</translation>
    </message>
    <message>
        <source>Language</source>
        <translation>语言</translation>
    </message>
    <message>
        <source>The name must end in .pdf or .html.</source>
        <translation>文件名必须以 .pdf 或 .html 结尾。</translation>
    </message>
</context>
<context>
    <name>RollBack</name>
    <message>
        <source>Send {box} back?</source>
        <translation>退回 {box}？</translation>
    </message>
    <message>
        <source>{before} answers for the line again instead of {answers}.</source>
        <translation>将由 {before} 代替 {answers} 重新为产线作答。</translation>
    </message>
    <message>
        <source>Send back</source>
        <translation>退回</translation>
    </message>
    <message>
        <source>Reason</source>
        <translation>原因</translation>
    </message>
    <message>
        <source>Kept on the box and in the activity.</source>
        <translation>保存在边缘盒和活动记录中。</translation>
    </message>
    <message>
        <source>Say why: whoever comes next will ask.</source>
        <translation>请写明原因：下一位接手的人会问。</translation>
    </message>
</context>
<context>
    <name>RolloutDetail</name>
    <message>
        <source>Bundle</source>
        <translation>模型包</translation>
    </message>
    <message>
        <source>Started</source>
        <translation>开始</translation>
    </message>
    <message>
        <source>Started on</source>
        <translation>发起的电脑</translation>
    </message>
    <message>
        <source>Ended</source>
        <translation>结束</translation>
    </message>
    <message>
        <source>First wave: the canary</source>
        <translation>第 1 批：先行</translation>
    </message>
    <message>
        <source>Pause</source>
        <translation>暂停</translation>
    </message>
    <message>
        <source>Resume</source>
        <translation>继续</translation>
    </message>
    <message>
        <source>Abort rollout…</source>
        <translation>中止部署…</translation>
    </message>
    <message>
        <source>Wave {n}</source>
        <translation>第 {n} 批</translation>
    </message>
    <message>
        <source>{done} of {all} have it</source>
        <translation>{all} 台中 {done} 台已有</translation>
    </message>
    <message>
        <source>Abort this rollout?</source>
        <translation>中止此次部署？</translation>
    </message>
    <message>
        <source>These boxes keep what they have. A trial that is under way comes to its own end, and boxes that have committed it keep it.</source>
        <translation>这些边缘盒保持现状。正在进行的试运行会自行结束，已确认的边缘盒继续使用。</translation>
    </message>
    <message>
        <source>These boxes keep the model they have, or return to it if they have the new one on trial. Boxes that have committed it keep it.</source>
        <translation>这些边缘盒保持现有模型；正在试运行新模型的会退回。已确认新模型的边缘盒继续使用它。</translation>
    </message>
    <message>
        <source>The file with what it brings was damaged on this desktop: sync fetches it again.</source>
        <translation>此桌面上要部署的内容的文件已损坏：同步后会重新获取。</translation>
    </message>
    <message>
        <source>What it brings is not on this desktop yet: sync fetches it.</source>
        <translation>此桌面还没有要部署的内容：同步后即可获得。</translation>
    </message>
    <message>
        <source>No box is waiting any more; those that have committed it keep it.</source>
        <translation>已没有等待中的边缘盒；已确认的继续使用它。</translation>
    </message>
    <message>
        <source>Abort rollout</source>
        <translation>中止部署</translation>
    </message>
    <message>
        <source>Id</source>
        <translation>标识</translation>
    </message>
    <message>
        <source>Rest between waves</source>
        <translation>批次间隔</translation>
    </message>
    <message>
        <source>{n} min</source>
        <translation>{n} 分钟</translation>
    </message>
    <message>
        <source>Boxes that may fail</source>
        <translation>允许失败的台数</translation>
    </message>
    <message>
        <source>{size} a second</source>
        <translation>每秒 {size}</translation>
    </message>
    <message>
        <source>Cap for all boxes together</source>
        <translation>所有设备合计带宽上限</translation>
    </message>
    <message>
        <source>Waiting for boxes that are away: {n} ({names}). They get it when they are seen again.</source>
        <translation>等待不在线的边缘盒：{n} 台（{names}）。再次出现时即会收到。</translation>
    </message>
    <message>
        <source>The next wave waits for {names}.</source>
        <translation>下一批在等待 {names}。</translation>
    </message>
    <message>
        <source>The wave that is through rests until {time}.</source>
        <translation>已完成的批次静置至 {time}。</translation>
    </message>
    <message>
        <source>It has not answered since.</source>
        <translation>此后没有应答。</translation>
    </message>
</context>
<context>
    <name>RolloutsPage</name>
    <message>
        <source>Rollouts</source>
        <translation>部署</translation>
    </message>
    <message>
        <source>What</source>
        <translation>内容</translation>
    </message>
    <message>
        <source>State</source>
        <translation>状态</translation>
    </message>
    <message>
        <source>Boxes</source>
        <translation>边缘盒</translation>
    </message>
    <message>
        <source>Started</source>
        <translation>开始</translation>
    </message>
    <message>
        <source>Start rollout…</source>
        <translation>开始部署…</translation>
    </message>
    <message>
        <source>Decisions…</source>
        <translation>决定…</translation>
    </message>
    <message>
        <source>No rollout yet: release a model, then send it to one box first and to the others after it.</source>
        <translation>还没有部署：签发模型后，先发往一台边缘盒，再发往其余各台。</translation>
    </message>
    <message>
        <source>Start a rollout…</source>
        <translation>开始部署…</translation>
    </message>
    <message>
        <source>Abort rollout of {model}…</source>
        <translation>中止 {model} 的部署…</translation>
    </message>
    <message>
        <source>{n} in all, {running} running</source>
        <translation>共 {n} 次，{running} 次进行中</translation>
    </message>
    <message>
        <source>boxes that another desktop took: {n}</source>
        <translation>被另一台电脑取代的边缘盒：{n}</translation>
    </message>
    <message>
        <source>, </source>
        <translation>，</translation>
    </message>
</context>
<context>
    <name>RuntimePanel</name>
    <message>
        <source>Not heard yet.</source>
        <translation>尚无消息。</translation>
    </message>
    <message>
        <source>Another version…</source>
        <translation>更换版本…</translation>
    </message>
    <message>
        <source>The version before…</source>
        <translation>上一版本…</translation>
    </message>
    <message>
        <source>On several boxes…</source>
        <translation>用于多台边缘盒…</translation>
    </message>
    <message>
        <source>Its program</source>
        <translation>盒子的程序</translation>
    </message>
    <message>
        <source>It takes no version over the network yet. Update its program once over SSH; until then it goes on as it is.</source>
        <translation>它还不能通过网络接收新版本。请通过 SSH 更新一次程序；在此之前它照常运行。</translation>
    </message>
    <message>
        <source>Bring {name} another version</source>
        <translation>为 {name} 更换版本</translation>
    </message>
    <message>
        <source>Take {name} back to the version before</source>
        <translation>让 {name} 回到上一版本</translation>
    </message>
    <message>
        <source>Go back to the version before?</source>
        <translation>回到上一版本?</translation>
    </message>
    <message>
        <source>The box starts the version of its program that ran before, which it keeps. Its lines stand still for a few seconds.</source>
        <translation>设备将启动其保留的上一个程序版本。产线会停顿几秒。</translation>
    </message>
    <message>
        <source>Go back</source>
        <translation>回到上一版本</translation>
    </message>
</context>
<context>
    <name>SampleDetail</name>
    <message>
        <source>Picture of the sample</source>
        <translation>样本图片</translation>
    </message>
    <message>
        <source>Label</source>
        <translation>标签</translation>
    </message>
    <message>
        <source>Another label</source>
        <translation>其他标签</translation>
    </message>
    <message>
        <source>Use</source>
        <translation>使用</translation>
    </message>
    <message>
        <source>Use the label that was typed</source>
        <translation>使用输入的标签</translation>
    </message>
    <message>
        <source>Take label away</source>
        <translation>去除标签</translation>
    </message>
    <message>
        <source>Arrows move, the key on a button labels, Backspace takes a label away.</source>
        <translation>方向键移动，按钮上的键标注，退格键去除标签。</translation>
    </message>
    <message>
        <source>Label as {name}</source>
        <translation>标注为 {name}</translation>
    </message>
    <message>
        <source>Label {n} samples</source>
        <translation>标注 {n} 个样本</translation>
    </message>
    <message>
        <source>none yet</source>
        <translation>尚无</translation>
    </message>
    <message>
        <source>Model&apos;s guess</source>
        <translation>模型猜测</translation>
    </message>
    <message>
        <source>Kept because</source>
        <translation>留存原因</translation>
    </message>
    <message>
        <source>Seen</source>
        <translation>拍摄时间</translation>
    </message>
    <message>
        <source>Frame</source>
        <translation>帧</translation>
    </message>
    <message>
        <source>Size</source>
        <translation>大小</translation>
    </message>
    <message>
        <source>Id</source>
        <translation>编号</translation>
    </message>
    <message>
        <source>The picture is not on this desktop yet.</source>
        <translation>图片尚未到达本机。</translation>
    </message>
    <message>
        <source>the model was not sure</source>
        <translation>模型没有把握</translation>
    </message>
    <message>
        <source>a random share is kept</source>
        <translation>随机留存</translation>
    </message>
    <message>
        <source>no model was there</source>
        <translation>当时没有模型</translation>
    </message>
    <message>
        <source>its row was lost on the box</source>
        <translation>设备上的记录已丢失</translation>
    </message>
    <message>
        <source>it was imported</source>
        <translation>导入</translation>
    </message>
</context>
<context>
    <name>SamplesPage</name>
    <message>
        <source>Samples</source>
        <translation>样本</translation>
    </message>
    <message>
        <source>Sample</source>
        <translation>样本</translation>
    </message>
    <message>
        <source>Labels</source>
        <translation>标注状态</translation>
    </message>
    <message>
        <source>All</source>
        <translation>全部</translation>
    </message>
    <message>
        <source>Unlabelled</source>
        <translation>未标注</translation>
    </message>
    <message>
        <source>Labelled</source>
        <translation>已标注</translation>
    </message>
    <message>
        <source>Box</source>
        <translation>边缘盒</translation>
    </message>
    <message>
        <source>Every box</source>
        <translation>所有边缘盒</translation>
    </message>
    <message>
        <source>Reason</source>
        <translation>原因</translation>
    </message>
    <message>
        <source>Every reason</source>
        <translation>所有原因</translation>
    </message>
    <message>
        <source>Hard for the model</source>
        <translation>模型拿不准</translation>
    </message>
    <message>
        <source>Kept at random</source>
        <translation>随机留存</translation>
    </message>
    <message>
        <source>Seen without a model</source>
        <translation>无模型时留存</translation>
    </message>
    <message>
        <source>Imported</source>
        <translation>导入</translation>
    </message>
    <message>
        <source>Undo</source>
        <translation>撤销</translation>
    </message>
    <message>
        <source>Import folder…</source>
        <translation>导入文件夹…</translation>
    </message>
    <message>
        <source>Freeze dataset…</source>
        <translation>冻结数据集…</translation>
    </message>
    <message>
        <source>No sample matches these filters.</source>
        <translation>没有符合筛选条件的样本。</translation>
    </message>
    <message>
        <source>No samples yet: collect them from a box, or import a folder with one sub-folder per label.</source>
        <translation>还没有样本：从边缘盒收取，或导入一个每种标签一个子文件夹的文件夹。</translation>
    </message>
    <message>
        <source>Import a folder…</source>
        <translation>导入文件夹…</translation>
    </message>
    <message>
        <source>Label what is unlabelled</source>
        <translation>标注未标注的样本</translation>
    </message>
    <message>
        <source>Import folder</source>
        <translation>导入文件夹</translation>
    </message>
    <message>
        <source>Import {name}</source>
        <translation>导入 {name}</translation>
    </message>
    <message>
        <source>{n} in all, {labelled} labelled</source>
        <translation>共 {n} 个，{labelled} 个已标注</translation>
    </message>
    <message>
        <source>Files left out: {n} of {all}. The first: {path}. {reason}</source>
        <translation>{all} 个文件中有 {n} 个未导入。第一个：{path}。{reason}</translation>
    </message>
    <message>
        <source>Undo labelling</source>
        <translation>撤销标注</translation>
    </message>
    <message>
        <source>{n} new – show</source>
        <translation>{n} 个新样本 – 显示</translation>
    </message>
</context>
<context>
    <name>SettingsPage</name>
    <message>
        <source>Settings</source>
        <translation>设置</translation>
    </message>
    <message>
        <source>For this site, on this desktop.</source>
        <translation>适用于本机上的此站点。</translation>
    </message>
    <message>
        <source>Language</source>
        <translation>语言</translation>
    </message>
    <message>
        <source>As the system</source>
        <translation>跟随系统</translation>
    </message>
    <message>
        <source>Theme</source>
        <translation>主题</translation>
    </message>
    <message>
        <source>Light</source>
        <translation>浅色</translation>
    </message>
    <message>
        <source>Dark</source>
        <translation>深色</translation>
    </message>
    <message>
        <source>Appearance</source>
        <translation>外观</translation>
    </message>
    <message>
        <source>Object store</source>
        <translation>对象存储</translation>
    </message>
    <message>
        <source>USB stick</source>
        <translation>U 盘</translation>
    </message>
    <message>
        <source>Figures</source>
        <translation>统计数据</translation>
    </message>
    <message>
        <source>Desktops and keys</source>
        <translation>电脑与密钥</translation>
    </message>
    <message>
        <source>Support</source>
        <translation>支持</translation>
    </message>
    <message>
        <source>Site</source>
        <translation>站点</translation>
    </message>
    <message>
        <source>Where things lie</source>
        <translation>文件位置</translation>
    </message>
    <message>
        <source>Sync now</source>
        <translation>立即同步</translation>
    </message>
    <message>
        <source>Copy the access policy</source>
        <translation>复制访问策略</translation>
    </message>
    <message>
        <source>Export to a stick…</source>
        <translation>导出到 U 盘…</translation>
    </message>
    <message>
        <source>Import from a stick…</source>
        <translation>从 U 盘导入…</translation>
    </message>
    <message>
        <source>Write figures to the store</source>
        <translation>将统计数据写入存储</translation>
    </message>
    <message>
        <source>Admit a desktop</source>
        <translation>准入一台电脑</translation>
    </message>
    <message>
        <source>Export the root key</source>
        <translation>导出根密钥</translation>
    </message>
    <message>
        <source>Make a support bundle…</source>
        <translation>制作支持包…</translation>
    </message>
    <message>
        <source>Light theme</source>
        <translation>浅色主题</translation>
    </message>
    <message>
        <source>Dark theme</source>
        <translation>深色主题</translation>
    </message>
    <message>
        <source>It was replaced and signs nothing any more: delete it.</source>
        <translation>它已被替换，不再能签任何内容：请删除它。</translation>
    </message>
    <message>
        <source>Name</source>
        <translation>名称</translation>
    </message>
    <message>
        <source>Id</source>
        <translation>编号</translation>
    </message>
    <message>
        <source>Created</source>
        <translation>创建时间</translation>
    </message>
    <message>
        <source>This desktop</source>
        <translation>本机</translation>
    </message>
    <message>
        <source>Site folder</source>
        <translation>站点文件夹</translation>
    </message>
    <message>
        <source>Database</source>
        <translation>数据库</translation>
    </message>
    <message>
        <source>Samples, datasets and bundles</source>
        <translation>样本、数据集和模型包</translation>
    </message>
    <message>
        <source>Offline root key (encrypted)</source>
        <translation>离线根密钥（已加密）</translation>
    </message>
    <message>
        <source>Move it to a USB stick in a safe: it is needed only to admit or strike off desktops.</source>
        <translation>请移到 U 盘并存入保险柜：只有接纳或除名电脑时才需要它。</translation>
    </message>
    <message>
        <source>Secrets</source>
        <translation>机密</translation>
    </message>
    <message>
        <source>Not here any more: it was moved away.</source>
        <translation>已不在此处：已被移走。</translation>
    </message>
    <message>
        <source>Open the folder</source>
        <translation>打开文件夹</translation>
    </message>
    <message>
        <source>Language: {name}</source>
        <translation>语言：{name}</translation>
    </message>
    <message>
        <source>Theme as the system</source>
        <translation>主题跟随系统</translation>
    </message>
    <message>
        <source>Training</source>
        <translation>训练</translation>
    </message>
</context>
<context>
    <name>ShadowPanel</name>
    <message>
        <source>Start a shadow run…</source>
        <translation>开始影子运行…</translation>
    </message>
    <message>
        <source>End shadow run</source>
        <translation>结束影子运行</translation>
    </message>
    <message>
        <source>Disagreements</source>
        <translation>分歧</translation>
    </message>
    <message>
        <source>Undo</source>
        <translation>撤销</translation>
    </message>
    <message>
        <source>Shadow model</source>
        <translation>影子模型</translation>
    </message>
    <message>
        <source>Shadow {model} on {box}</source>
        <translation>在 {box} 上影子运行 {model}</translation>
    </message>
    <message>
        <source>End the shadow run on {box}</source>
        <translation>结束 {box} 的影子运行</translation>
    </message>
    <message>
        <source>Undo: shadow run on {box}</source>
        <translation>撤销：{box} 的影子运行</translation>
    </message>
    <message>
        <source>No second model watches this line.</source>
        <translation>没有第二个模型在旁观此产线。</translation>
    </message>
    <message>
        <source>Sees what the line sees and answers for nothing.</source>
        <translation>看到产线所见的画面，但不作答。</translation>
    </message>
</context>
<context>
    <name>ShadowTab</name>
    <message>
        <source>agreed</source>
        <translation>一致</translation>
    </message>
    <message>
        <source>frames compared</source>
        <translation>已比较帧数</translation>
    </message>
    <message>
        <source>ms, shadow</source>
        <translation>毫秒，影子</translation>
    </message>
    <message>
        <source>ms, answering</source>
        <translation>毫秒，作答</translation>
    </message>
    <message>
        <source>Share that agreed, by minute</source>
        <translation>每分钟一致的比例</translation>
    </message>
    <message>
        <source>Start a shadow run…</source>
        <translation>开始影子运行…</translation>
    </message>
    <message>
        <source>Disagreements</source>
        <translation>分歧</translation>
    </message>
    <message>
        <source>No frame yet on which a shadow model said otherwise.</source>
        <translation>还没有影子模型判断不同的帧。</translation>
    </message>
    <message>
        <source>None now: figures of the last one</source>
        <translation>当前没有：以下是上一个的数据</translation>
    </message>
    <message>
        <source>{state}: {model}</source>
        <translation>{state}：{model}</translation>
    </message>
    <message>
        <source>When</source>
        <translation>时间</translation>
    </message>
    <message>
        <source>ms</source>
        <translation>毫秒</translation>
    </message>
    <message>
        <source>Shadow ms</source>
        <translation>影子毫秒</translation>
    </message>
    <message>
        <source>Pipeline</source>
        <translation>流水线</translation>
    </message>
    <message>
        <source>Frame</source>
        <translation>帧</translation>
    </message>
    <message>
        <source>Answered</source>
        <translation>作答</translation>
    </message>
    <message>
        <source>Shadow said</source>
        <translation>影子判断</translation>
    </message>
    <message>
        <source>{frame}: answered {label}, the shadow said {other}. Sample {sample}.</source>
        <translation>{frame}：作答为 {label}，影子判断为 {other}。样本 {sample}。</translation>
    </message>
</context>
<context>
    <name>SshFields</name>
    <message>
        <source>User and address</source>
        <translation>用户和地址</translation>
    </message>
    <message>
        <source>Somebody who may act as root there with sudo, or root; with :PORT where it is not 22.</source>
        <translation>可在该机器上使用 sudo 的用户，或 root；端口不是 22 时加上 :端口。</translation>
    </message>
    <message>
        <source>Fingerprint of its host key</source>
        <translation>主机密钥的指纹</translation>
    </message>
    <message>
        <source>Typed or scanned from the machine&apos;s label. Another key than this one is never accepted.</source>
        <translation>从机器标签上输入或扫描。绝不接受其他密钥。</translation>
    </message>
    <message>
        <source>Sign in with</source>
        <translation>登录方式</translation>
    </message>
    <message>
        <source>Password</source>
        <translation>密码</translation>
    </message>
    <message>
        <source>Key file</source>
        <translation>密钥文件</translation>
    </message>
    <message>
        <source>Running agent</source>
        <translation>运行中的代理</translation>
    </message>
    <message>
        <source>Private key</source>
        <translation>私钥</translation>
    </message>
    <message>
        <source>Passphrase of the key (optional)</source>
        <translation>密钥的口令（可选）</translation>
    </message>
    <message>
        <source>It opens the file here, and is not sent to anybody.</source>
        <translation>只用于在本机打开密钥文件，不会发送给任何人。</translation>
    </message>
    <message>
        <source>Password for sudo (optional)</source>
        <translation>sudo 密码（可选）</translation>
    </message>
    <message>
        <source>Leave it empty where it is the same, or where sudo asks for none.</source>
        <translation>与登录密码相同或 sudo 不需要密码时留空。</translation>
    </message>
    <message>
        <source>The machine gets it where sudo asks for one, or where it wants a password beside the key.</source>
        <translation>当 sudo 需要密码，或机器除密钥外还要求密码时，会发送给该机器。</translation>
    </message>
    <message>
        <source>Leave it empty where sudo asks for none.</source>
        <translation>sudo 不需要密码时留空。</translation>
    </message>
    <message>
        <source>Say where the machine is, and as whom to sign in.</source>
        <translation>请填写机器的地址和登录用户。</translation>
    </message>
    <message>
        <source>Type or scan the fingerprint on the machine&apos;s label.</source>
        <translation>请输入或扫描机器标签上的指纹。</translation>
    </message>
    <message>
        <source>Type the password.</source>
        <translation>请输入密码。</translation>
    </message>
    <message>
        <source>Choose the private key.</source>
        <translation>请选择私钥。</translation>
    </message>
    <message>
        <source>It is not kept, and sent only to the machine with the label&apos;s key.</source>
        <translation>不会保存，且只发送给密钥与标签一致的机器。</translation>
    </message>
</context>
<context>
    <name>StartBurst</name>
    <message>
        <source>Start a burst</source>
        <translation>启动训练任务</translation>
    </message>
    <message>
        <source>Start burst</source>
        <translation>启动训练</translation>
    </message>
    <message>
        <source>Nothing: a new model</source>
        <translation>无：全新模型</translation>
    </message>
    <message>
        <source>This machine</source>
        <translation>本机</translation>
    </message>
    <message>
        <source>Dataset</source>
        <translation>数据集</translation>
    </message>
    <message>
        <source>Start from</source>
        <translation>起始模型</translation>
    </message>
    <message>
        <source>Host</source>
        <translation>主机</translation>
    </message>
    <message>
        <source>At most</source>
        <translation>最长时间</translation>
    </message>
    <message>
        <source>Money cap</source>
        <translation>费用上限</translation>
    </message>
    <message>
        <source>Worst case, all attempts</source>
        <translation>最坏情况，含所有尝试</translation>
    </message>
    <message>
        <source>Start burst on {name}</source>
        <translation>启动训练：{name}</translation>
    </message>
    <message>
        <source>Freeze a dataset first.</source>
        <translation>请先冻结一个数据集。</translation>
    </message>
    <message>
        <source>Spend up to {worst}?</source>
        <translation>最多花费 {worst}？</translation>
    </message>
    <message>
        <source>This is the worst case over all attempts; the burst ends itself before it costs more.</source>
        <translation>这是所有尝试合计的最坏情况；超出之前训练会自行结束。</translation>
    </message>
    <message>
        <source>{dataset} on {host}</source>
        <translation>{dataset}，运行于 {host}</translation>
    </message>
</context>
<context>
    <name>StartRollout</name>
    <message>
        <source>Start a rollout</source>
        <translation>开始部署</translation>
    </message>
    <message>
        <source>Start rollout…</source>
        <translation>开始部署…</translation>
    </message>
    <message>
        <source>A wave begins once a box of the wave before has committed it and none is at work any more. Boxes that are away get their turn when they are seen again.</source>
        <translation>前一批至少有一台确认且都已结束后，下一批才开始。不在线的边缘盒再次出现时轮到。</translation>
    </message>
    <message>
        <source>Boxes</source>
        <translation>边缘盒</translation>
    </message>
    <message>
        <source>Box by box</source>
        <translation>逐台选择</translation>
    </message>
    <message>
        <source>By label, in shares</source>
        <translation>按标签分批</translation>
    </message>
    <message>
        <source> min</source>
        <translation> 分钟</translation>
    </message>
    <message>
        <source> kB/s</source>
        <translation> kB/秒</translation>
    </message>
    <message>
        <source>No cap</source>
        <translation>不限</translation>
    </message>
    <message>
        <source>Rest between waves</source>
        <translation>批次间隔</translation>
    </message>
    <message>
        <source>Boxes that may fail</source>
        <translation>允许失败的台数</translation>
    </message>
    <message>
        <source>Cap for all boxes together</source>
        <translation>所有设备合计带宽上限</translation>
    </message>
    <message>
        <source>Rehearse</source>
        <translation>预演</translation>
    </message>
    <message>
        <source>Asks every box what it would need, and changes nothing</source>
        <translation>询问每台边缘盒需要什么，不作任何更改</translation>
    </message>
    <message>
        <source>Choose at least one box.</source>
        <translation>请至少选择一台边缘盒。</translation>
    </message>
    <message>
        <source>Roll out {model}?</source>
        <translation>部署 {model}？</translation>
    </message>
    <message>
        <source>Each box tries it on its live lines and goes back by itself if it does badly.</source>
        <translation>每台边缘盒会在实际产线上试运行，表现不佳则自行退回。</translation>
    </message>
    <message>
        <source>{box}, wave {n}</source>
        <translation>{box}，第 {n} 批</translation>
    </message>
    <message>
        <source>Roll out</source>
        <translation>部署</translation>
    </message>
    <message>
        <source>Asking the boxes…</source>
        <translation>正在询问边缘盒…</translation>
    </message>
    <message>
        <source>Label</source>
        <translation>标签</translation>
    </message>
    <message>
        <source>Canary: boxes that come first</source>
        <translation>先行台数</translation>
    </message>
    <message>
        <source>The others, in shares</source>
        <translation>其余按比例</translation>
    </message>
    <message>
        <source>All boxes ({n})</source>
        <translation>全部边缘盒（{n}）</translation>
    </message>
    <message>
        <source>Wave of {box}</source>
        <translation>{box} 的批次</translation>
    </message>
    <message>
        <source>First (canary)</source>
        <translation>第 1 批（先行）</translation>
    </message>
    <message>
        <source>Wave {n}</source>
        <translation>第 {n} 批</translation>
    </message>
    <message>
        <source>Not this time</source>
        <translation>本次不部署</translation>
    </message>
    <message>
        <source>No box is enrolled yet. Add one on the page Boxes.</source>
        <translation>还没有登记边缘盒。请在“边缘盒”页添加。</translation>
    </message>
</context>
<context>
    <name>StartShadow</name>
    <message>
        <source>Start a shadow run</source>
        <translation>开始影子运行</translation>
    </message>
    <message>
        <source>The model sees what {box} sees, but answers for nothing. Frames on which the two disagree are kept.</source>
        <translation>模型看到 {box} 所见的画面，但不作答。两者判断不同的帧会被留存。</translation>
    </message>
    <message>
        <source>Start shadow run</source>
        <translation>开始影子运行</translation>
    </message>
    <message>
        <source>Released model</source>
        <translation>已签发的模型</translation>
    </message>
    <message>
        <source>The box tries it in its sandbox first, and may refuse it.</source>
        <translation>边缘盒会先在沙箱中试用，也可能拒绝它。</translation>
    </message>
    <message>
        <source>No other model is released yet. Release one on the page Models.</source>
        <translation>还没有其他已签发的模型。请在“模型”页面签发一个。</translation>
    </message>
</context>
<context>
    <name>StatusStrip</name>
    <message>
        <source>Boxes</source>
        <translation>边缘盒</translation>
    </message>
    <message>
        <source>Object store</source>
        <translation>对象存储</translation>
    </message>
    <message>
        <source>Search (Ctrl+K)</source>
        <translation>搜索（Ctrl+K）</translation>
    </message>
    <message>
        <source>Jobs: {n}</source>
        <translation>作业：{n}</translation>
    </message>
    <message>
        <source>Boxes that answer: {n} of {all}</source>
        <translation>{all} 台边缘盒中 {n} 台应答</translation>
    </message>
    <message>
        <source>No boxes</source>
        <translation>没有边缘盒</translation>
    </message>
</context>
<context>
    <name>StickDialog</name>
    <message>
        <source>Stick, or a folder on it</source>
        <translation>U 盘，或其上的文件夹</translation>
    </message>
    <message>
        <source>Choose a folder first.</source>
        <translation>请先选择文件夹。</translation>
    </message>
    <message>
        <source>This stick is encrypted: type its passphrase.</source>
        <translation>此 U 盘已加密：请输入其口令。</translation>
    </message>
    <message>
        <source>This stick is not encrypted: leave the passphrase empty, or use another stick.</source>
        <translation>此 U 盘未加密：请将口令留空，或换一个 U 盘。</translation>
    </message>
</context>
<context>
    <name>StickSettings</name>
    <message>
        <source>Export to a stick…</source>
        <translation>导出到 U 盘…</translation>
    </message>
    <message>
        <source>Import from a stick…</source>
        <translation>从 U 盘导入…</translation>
    </message>
    <message>
        <source>For desktops that have no network in common: the same changes and files as in the object store.</source>
        <translation>用于没有共同网络的桌面端：与对象存储中相同的更改和文件。</translation>
    </message>
    <message>
        <source>Export to a stick</source>
        <translation>导出到 U 盘</translation>
    </message>
    <message>
        <source>Import from a stick</source>
        <translation>从 U 盘导入</translation>
    </message>
    <message>
        <source>Exported to {folder}. Written and read back: {files} files, {size}. There already: {there}.</source>
        <translation>已导出到 {folder}。已写入并读回核对：{files} 个文件，{size}。原已存在：{there}。</translation>
    </message>
    <message>
        <source>Samples left here: {n}.</source>
        <translation>留在此处的样本：{n}。</translation>
    </message>
    <message>
        <source>Imported from {folder}. Changes: {changes}. Files: {files}, {size}.</source>
        <translation>已从 {folder} 导入。更改：{changes}。文件：{files} 个，{size}。</translation>
    </message>
    <message>
        <source>Files that are on no stick yet: {n}.</source>
        <translation>尚未带来的文件：{n}。</translation>
    </message>
    <message>
        <source>The site&apos;s keys changed.</source>
        <translation>站点的密钥已更改。</translation>
    </message>
    <message>
        <source>Admitted: {names}.</source>
        <translation>已准入：{names}。</translation>
    </message>
    <message>
        <source>Struck off: {names}.</source>
        <translation>已除名：{names}。</translation>
    </message>
    <message>
        <source>Passed by ({n}): {what}</source>
        <translation>已跳过（{n}）：{what}</translation>
    </message>
</context>
<context>
    <name>StoreSettings</name>
    <message>
        <source>Address</source>
        <translation>地址</translation>
    </message>
    <message>
        <source>Endpoint (not for Amazon)</source>
        <translation>端点（亚马逊无需填写）</translation>
    </message>
    <message>
        <source>Access key id</source>
        <translation>访问密钥 ID</translation>
    </message>
    <message>
        <source>from the usual AWS variables or profile</source>
        <translation>默认取自 AWS 环境变量或配置</translation>
    </message>
    <message>
        <source>Secret access key</source>
        <translation>私有访问密钥</translation>
    </message>
    <message>
        <source>Test and save</source>
        <translation>测试并保存</translation>
    </message>
    <message>
        <source>Sync now</source>
        <translation>立即同步</translation>
    </message>
    <message>
        <source>A bucket, or a folder such as a USB stick. Keys are kept in the keyring, never in the site.</source>
        <translation>存储桶，或 U 盘之类的文件夹。密钥保存在系统钥匙串中，绝不写入站点。</translation>
    </message>
    <message>
        <source>Store</source>
        <translation>存储</translation>
    </message>
    <message>
        <source>Last sync</source>
        <translation>上次同步</translation>
    </message>
    <message>
        <source>Waiting</source>
        <translation>待发送</translation>
    </message>
    <message>
        <source>{kind}: {count}</source>
        <translation>{kind}：{count}</translation>
    </message>
    <message>
        <source>{things} – {reason}</source>
        <translation>{things}（{reason}）</translation>
    </message>
    <message>
        <source>; </source>
        <translation>；</translation>
    </message>
    <message>
        <source>, </source>
        <translation>、</translation>
    </message>
    <message>
        <source>nothing</source>
        <translation>无</translation>
    </message>
    <message>
        <source>Copy the access policy</source>
        <translation>复制访问策略</translation>
    </message>
    <message>
        <source>On the way</source>
        <translation>正在传输</translation>
    </message>
    <message>
        <source>In the store</source>
        <translation>已存入</translation>
    </message>
    <message>
        <source>Samples that come when they are opened: {n}</source>
        <translation>{n} 个样本，打开时才下载</translation>
    </message>
    <message>
        <source>Only in the store</source>
        <translation>仅在存储中</translation>
    </message>
    <message>
        <source>Queued</source>
        <translation>已排队</translation>
    </message>
    <message>
        <source>The store was away; the next sync goes on from here.</source>
        <translation>存储当时不可用；下次同步会从这里继续。</translation>
    </message>
    <message>
        <source>{n}: decide them under Activity</source>
        <translation>{n}：请在“活动”中处理</translation>
    </message>
    <message>
        <source>Conflicts</source>
        <translation>冲突</translation>
    </message>
    <message>
        <source>Does not come</source>
        <translation>未能收到</translation>
    </message>
    <message>
        <source>Problem</source>
        <translation>问题</translation>
    </message>
    <message>
        <source>changes and alerts</source>
        <translation>更改和警报</translation>
    </message>
    <message>
        <source>models</source>
        <translation>模型</translation>
    </message>
    <message>
        <source>datasets</source>
        <translation>数据集</translation>
    </message>
    <message>
        <source>samples</source>
        <translation>样本</translation>
    </message>
    <message>
        <source>other files</source>
        <translation>其他文件</translation>
    </message>
    <message>
        <source>files from other desktops</source>
        <translation>来自其他桌面的文件</translation>
    </message>
    <message>
        <source>with the next sync</source>
        <translation>随下次同步</translation>
    </message>
    <message>
        <source>under way</source>
        <translation>进行中</translation>
    </message>
    <message>
        <source>the link is metered</source>
        <translation>网络按流量计费</translation>
    </message>
    <message>
        <source>it is not their time</source>
        <translation>未到传输时段</translation>
    </message>
    <message>
        <source>the store is away</source>
        <translation>存储不可用</translation>
    </message>
    <message>
        <source>the store refused</source>
        <translation>存储拒绝了请求</translation>
    </message>
    <message>
        <source>there is no store yet</source>
        <translation>尚未设置存储</translation>
    </message>
    <message>
        <source>{done} of {size}, {speed} a second</source>
        <translation>{done} / {size}，每秒 {speed}</translation>
    </message>
    <message>
        <source>{said}, {time} left</source>
        <translation>{said}，剩余 {time}</translation>
    </message>
    <message>
        <source>Give an address first: a bucket or a folder.</source>
        <translation>请先填写地址：存储桶或文件夹。</translation>
    </message>
    <message>
        <source>Only a bucket has an access policy: give its address, s3://bucket/prefix.</source>
        <translation>只有存储桶才有访问策略：请填写其地址 s3://bucket/prefix。</translation>
    </message>
    <message>
        <source>Copied: what the access key has to be allowed, as a policy for Amazon&apos;s IAM.</source>
        <translation>已复制：访问密钥所需的权限，格式为 Amazon IAM 策略。</translation>
    </message>
    <message>
        <source>Sync</source>
        <translation>同步</translation>
    </message>
    <message>
        <source>Begin the address with s3:// for a bucket, or give the whole path of a folder.</source>
        <translation>存储桶地址请以 s3:// 开头，文件夹请填写完整路径。</translation>
    </message>
    <message>
        <source>Give both the access key id and the secret access key, or neither.</source>
        <translation>访问密钥 ID 与私有访问密钥须同时填写，或都不填。</translation>
    </message>
    <message>
        <source>Objects: {objects} ({size})</source>
        <translation>{objects} 个对象（{size}）</translation>
    </message>
</context>
<context>
    <name>StrikeOff</name>
    <message>
        <source>Strike off {name}</source>
        <translation>除名 {name}</translation>
    </message>
    <message>
        <source>For a desktop that was lost, stolen or sold. Each box refuses it from the next contact with another desktop on, so reach every box soon. Change the keys of the object store as well: they may be on it.</source>
        <translation>用于丢失、被盗或已出售的电脑。每台边缘盒在下次与其他电脑联系之后就会拒绝它，因此请尽快联系所有边缘盒。对象存储的密钥也请更换：它们可能就在那台电脑上。</translation>
    </message>
    <message>
        <source>Strike off</source>
        <translation>除名</translation>
    </message>
    <message>
        <source>This is the desktop that you work on: afterwards it can do nothing at this site.</source>
        <translation>这是您正在使用的电脑：此后它在本站点将无法做任何事。</translation>
    </message>
</context>
<context>
    <name>SubjectFields</name>
    <message>
        <source>Edge bundle</source>
        <translation>边缘安装包</translation>
    </message>
    <message>
        <source>Model</source>
        <translation>模型</translation>
    </message>
    <message>
        <source>Configuration</source>
        <translation>配置</translation>
    </message>
    <message>
        <source>Program</source>
        <translation>程序</translation>
    </message>
    <message>
        <source>What is rolled out</source>
        <translation>部署内容</translation>
    </message>
    <message>
        <source>Released model</source>
        <translation>已签发的模型</translation>
    </message>
    <message>
        <source>Fields of edge.toml to set</source>
        <translation>要设置的 edge.toml 字段</translation>
    </message>
    <message>
        <source>Each box keeps all else that it has. A section [[pipeline]] names the box&apos;s own pipeline. No passwords: this comes to every desktop.</source>
        <translation>每台边缘盒的其余设置保持不变。[[pipeline]] 一节按名称对应边缘盒自己的流水线。不要写密码：内容会同步到每个桌面。</translation>
    </message>
    <message>
        <source>For boxes of the machine type that it was made for.</source>
        <translation>仅适用于与其机器类型相同的边缘盒。</translation>
    </message>
    <message>
        <source>No model is released yet. Release one on the page Models.</source>
        <translation>还没有已签发的模型。请在“模型”页签发。</translation>
    </message>
    <message>
        <source>Write the fields that are to be set.</source>
        <translation>请写入要设置的字段。</translation>
    </message>
    <message>
        <source>Choose an edge bundle.</source>
        <translation>请选择边缘安装包。</translation>
    </message>
    <message>
        <source>this change of the configuration</source>
        <translation>此项配置更改</translation>
    </message>
</context>
<context>
    <name>SupportSettings</name>
    <message>
        <source>Make a support bundle…</source>
        <translation>制作支持包…</translation>
    </message>
    <message>
        <source>For whoever helps you: what this desktop and its boxes know of themselves, without secrets.</source>
        <translation>给帮助您的人：这台电脑和它的盒子所知的自身情况，不含机密。</translation>
    </message>
    <message>
        <source>{path}. Files: {count}. Look through it before you hand it on.</source>
        <translation>{path}：{count} 个文件。转交之前请先看一遍。</translation>
    </message>
    <message>
        <source>Left out: {what}</source>
        <translation>未包含：{what}</translation>
    </message>
</context>
<context>
    <name>TileDelegate</name>
    <message>
        <source>no guess</source>
        <translation>无猜测</translation>
    </message>
</context>
<context>
    <name>TrafficSettings</name>
    <message>
        <source>Files, at most</source>
        <translation>文件传输上限</translation>
    </message>
    <message>
        <source>Files go</source>
        <translation>文件传输时段</translation>
    </message>
    <message>
        <source>Metered link: changes and alerts go, files wait</source>
        <translation>按流量计费的网络：只传更改和警报，文件等待</translation>
    </message>
    <message>
        <source>{size} a second</source>
        <translation>每秒 {size}</translation>
    </message>
    <message>
        <source>as fast as they go</source>
        <translation>不限速</translation>
    </message>
    <message>
        <source>always</source>
        <translation>始终</translation>
    </message>
</context>
<context>
    <name>TrainingPage</name>
    <message>
        <source>Training</source>
        <translation>训练</translation>
    </message>
    <message>
        <source>State</source>
        <translation>状态</translation>
    </message>
    <message>
        <source>Dataset</source>
        <translation>数据集</translation>
    </message>
    <message>
        <source>Host</source>
        <translation>主机</translation>
    </message>
    <message>
        <source>Started</source>
        <translation>开始</translation>
    </message>
    <message>
        <source>Progress</source>
        <translation>进度</translation>
    </message>
    <message>
        <source>Cost</source>
        <translation>费用</translation>
    </message>
    <message>
        <source>Bursts</source>
        <translation>训练任务</translation>
    </message>
    <message>
        <source>To train</source>
        <translation>训练用</translation>
    </message>
    <message>
        <source>Held out</source>
        <translation>留出</translation>
    </message>
    <message>
        <source>Labels</source>
        <translation>标签</translation>
    </message>
    <message>
        <source>Frozen</source>
        <translation>冻结时间</translation>
    </message>
    <message>
        <source>Id</source>
        <translation>编号</translation>
    </message>
    <message>
        <source>Datasets</source>
        <translation>数据集</translation>
    </message>
    <message>
        <source>Start burst…</source>
        <translation>启动训练…</translation>
    </message>
    <message>
        <source>Freeze dataset…</source>
        <translation>冻结数据集…</translation>
    </message>
    <message>
        <source>Nothing trained yet: label samples, freeze them into a dataset, and start a burst from it.</source>
        <translation>尚未训练：标注样本，冻结成数据集，再据此启动训练任务。</translation>
    </message>
    <message>
        <source>Freeze a dataset…</source>
        <translation>冻结数据集…</translation>
    </message>
    <message>
        <source>{n} in all, {active} under way</source>
        <translation>共 {n} 个，{active} 个进行中</translation>
    </message>
    <message>
        <source>Cancel burst on {dataset}…</source>
        <translation>取消 {dataset} 的训练…</translation>
    </message>
    <message>
        <source>No burst yet: start one, and a model learns from a dataset below.</source>
        <translation>还没有训练：启动一次，模型便从下方的数据集学习。</translation>
    </message>
    <message>
        <source>Start a burst…</source>
        <translation>启动一次训练…</translation>
    </message>
</context>
<context>
    <name>TrainingSettings</name>
    <message>
        <source>Bursts on this machine run in this Python, which must have Lineside&apos;s training extra; a change counts from the next burst.</source>
        <translation>本机训练使用此 Python，其中须装有 Lineside 的训练组件；更改在下次训练后生效。</translation>
    </message>
    <message>
        <source>Give the whole path of a Python program on this machine.</source>
        <translation>请填写本机 Python 程序的完整路径。</translation>
    </message>
    <message>
        <source>Python for training</source>
        <translation>用于训练的 Python</translation>
    </message>
    <message>
        <source>the one that runs Lineside</source>
        <translation>运行 Lineside 的那个</translation>
    </message>
</context>
<context>
    <name>UpdateBox</name>
    <message>
        <source>Update the program of {box}</source>
        <translation>更新 {box} 的程序</translation>
    </message>
    <message>
        <source>The same as to add it over SSH: what is missing there is brought, and the box runs the new version at the end. Its key, models and what it saw stay.</source>
        <translation>与通过 SSH 添加相同：补传缺少的内容，最后盒子运行新版本。其密钥、模型和所见数据保持不变。</translation>
    </message>
    <message>
        <source>Update {box}</source>
        <translation>更新 {box}</translation>
    </message>
    <message>
        <source>Edge bundle (optional)</source>
        <translation>边缘安装包（可选）</translation>
    </message>
    <message>
        <source>What `make edge-bundle` built; otherwise it is taken from where bundles usually lie.</source>
        <translation>由 `make edge-bundle` 构建；留空则从安装包的常用位置获取。</translation>
    </message>
</context>
<context>
    <name>VisitDialog</name>
    <message>
        <source>Close</source>
        <translation>关闭</translation>
    </message>
</context>
<context>
    <name>VisitView</name>
    <message>
        <source>All boxes</source>
        <translation>所有边缘盒</translation>
    </message>
    <message>
        <source>No box is enrolled yet.</source>
        <translation>尚未登记边缘盒。</translation>
    </message>
    <message>
        <source>Nothing has to be carried.</source>
        <translation>无需携带任何内容。</translation>
    </message>
    <message>
        <source>Pack…</source>
        <translation>打包…</translation>
    </message>
    <message>
        <source>Take over a pack…</source>
        <translation>接收数据包…</translation>
    </message>
    <message>
        <source>Begin a visit when you are there: it keeps how each box was found and how it was left.</source>
        <translation>到达现场后开始巡检：它会记录每个边缘盒到场时和离开时的状态。</translation>
    </message>
    <message>
        <source>Begin visit…</source>
        <translation>开始巡检…</translation>
    </message>
    <message>
        <source>Note…</source>
        <translation>备注…</translation>
    </message>
    <message>
        <source>Take receipts</source>
        <translation>收取回执</translation>
    </message>
    <message>
        <source>End visit</source>
        <translation>结束巡检</translation>
    </message>
    <message>
        <source>Check a report…</source>
        <translation>校验报告…</translation>
    </message>
    <message>
        <source>Visit</source>
        <translation>巡检</translation>
    </message>
    <message>
        <source>What each box lacks</source>
        <translation>每个边缘盒缺什么</translation>
    </message>
    <message>
        <source>Open report</source>
        <translation>打开报告</translation>
    </message>
    <message>
        <source>Every box was asked; the answers are signed.</source>
        <translation>已询问每个边缘盒，应答已签名。</translation>
    </message>
    <message>
        <source>The visit has ended. Its report is ready to be written.</source>
        <translation>巡检已结束，可以写出报告。</translation>
    </message>
    <message>
        <source>To bring</source>
        <translation>需要携带</translation>
    </message>
    <message>
        <source>On site</source>
        <translation>现场</translation>
    </message>
    <message>
        <source>Visits</source>
        <translation>历次巡检</translation>
    </message>
    <message>
        <source>Boxes that lack something: {n} of {all}; {size} to bring</source>
        <translation>{all} 个边缘盒中有 {n} 个缺少内容；需携带 {size}</translation>
    </message>
    <message>
        <source>last seen {when}</source>
        <translation>最近联系：{when}</translation>
    </message>
    <message>
        <source>Nothing is known to be missing.</source>
        <translation>没有已知的缺失。</translation>
    </message>
    <message>
        <source>Seen {when}.</source>
        <translation>发现于{when}。</translation>
    </message>
    <message>
        <source>for {boxes}</source>
        <translation>用于 {boxes}</translation>
    </message>
    <message>
        <source>Not on this desktop: sync or build it before the trip.</source>
        <translation>不在本机上：请在出行前同步或构建。</translation>
    </message>
    <message>
        <source>Title</source>
        <translation>标题</translation>
    </message>
    <message>
        <source>Begun</source>
        <translation>开始于</translation>
    </message>
    <message>
        <source>Boxes</source>
        <translation>边缘盒</translation>
    </message>
    <message>
        <source>{n} of {all} answered</source>
        <translation>{all} 个中有 {n} 个应答</translation>
    </message>
    <message>
        <source>Notes</source>
        <translation>备注</translation>
    </message>
    <message>
        <source>Receipts</source>
        <translation>回执</translation>
    </message>
    <message>
        <source>No visit yet.</source>
        <translation>尚无巡检。</translation>
    </message>
    <message>
        <source>{when}, still open</source>
        <translation>{when}，尚未结束</translation>
    </message>
    <message>
        <source>Report…</source>
        <translation>报告…</translation>
    </message>
    <message>
        <source>Read…</source>
        <translation>查看…</translation>
    </message>
    <message>
        <source>Older visits</source>
        <translation>更早的巡检</translation>
    </message>
    <message>
        <source>Pack for the trip</source>
        <translation>为出行打包</translation>
    </message>
    <message>
        <source>Packed into {folder}. Files: {n}, {size}.</source>
        <translation>已打包到 {folder}：{n} 个文件，{size}。</translation>
    </message>
    <message>
        <source>Not in it: {names}.</source>
        <translation>其中缺少：{names}。</translation>
    </message>
    <message>
        <source>Take over a pack</source>
        <translation>接收数据包</translation>
    </message>
    <message>
        <source>Taken over from {desktop}: {names}.</source>
        <translation>已从 {desktop} 接收：{names}。</translation>
    </message>
    <message>
        <source>Begin visit</source>
        <translation>开始巡检</translation>
    </message>
    <message>
        <source>Write report</source>
        <translation>写出报告</translation>
    </message>
    <message>
        <source>The report is in {path}.</source>
        <translation>报告位于 {path}。</translation>
    </message>
    <message>
        <source>Check report</source>
        <translation>校验报告</translation>
    </message>
    <message>
        <source>Nothing was changed in the report of {title}, recorded by {desktop}.</source>
        <translation>报告“{title}”（由 {desktop} 记录）未被改动。</translation>
    </message>
    <message>
        <source>Not listed any more: {names}. The visit was known here before.</source>
        <translation>已不在站点名单中：{names}。此次巡检在本机早有记录。</translation>
    </message>
    <message>
        <source>Another version or other fonts drew its page: it cannot be compared with the visit.</source>
        <translation>页面由其他版本或其他字体绘制，无法与巡检记录核对。</translation>
    </message>
</context>
<context>
    <name>Wizard</name>
    <message>
        <source>For instance: Plant North</source>
        <translation>例如：北区工厂</translation>
    </message>
    <message>
        <source>Create site</source>
        <translation>创建站点</translation>
    </message>
    <message>
        <source>Back</source>
        <translation>返回</translation>
    </message>
    <message>
        <source>Open Lineside</source>
        <translation>打开 Lineside</translation>
    </message>
    <message>
        <source>Create my site</source>
        <translation>创建我的站点</translation>
    </message>
    <message>
        <source>Makes the keys of your factory on this laptop. Takes a minute, needs no network.</source>
        <translation>在这台电脑上生成工厂的密钥。只需一分钟，无需网络。</translation>
    </message>
    <message>
        <source>Try the demo</source>
        <translation>体验演示</translation>
    </message>
    <message>
        <source>Two boxes and a line that changes, all on this machine. Takes about two minutes.</source>
        <translation>两台边缘盒和一条会变化的产线，全在本机。约需两分钟。</translation>
    </message>
    <message>
        <source>Join a site…</source>
        <translation>加入站点…</translation>
    </message>
    <message>
        <source>Recover a site…</source>
        <translation>恢复站点…</translation>
    </message>
    <message>
        <source>Welcome to Lineside</source>
        <translation>欢迎使用 Lineside</translation>
    </message>
    <message>
        <source>Look after the AI on your factory floor from this laptop, with or without a network.</source>
        <translation>用这台电脑照看工厂现场的 AI，有无网络皆可。</translation>
    </message>
    <message>
        <source>Name of the site</source>
        <translation>站点名称</translation>
    </message>
    <message>
        <source>Passphrase</source>
        <translation>口令</translation>
    </message>
    <message>
        <source>At least {n} characters. It protects the site&apos;s root key and cannot be recovered.</source>
        <translation>至少 {n} 个字符。它保护站点的根密钥，遗失后无法找回。</translation>
    </message>
    <message>
        <source>Passphrase again</source>
        <translation>再次输入口令</translation>
    </message>
    <message>
        <source>The site lies in {folder}</source>
        <translation>站点位于 {folder}</translation>
    </message>
    <message>
        <source>Your site</source>
        <translation>您的站点</translation>
    </message>
    <message>
        <source>Step 1 of 2</source>
        <translation>第 1 步，共 2 步</translation>
    </message>
    <message>
        <source>Open its folder</source>
        <translation>打开所在文件夹</translation>
    </message>
    <message>
        <source>It is needed only to admit another laptop or to strike off a lost one. Move the file to a USB stick, put the stick in a safe, and keep the passphrase elsewhere.</source>
        <translation>只有接纳另一台电脑或除名丢失的电脑时才需要它。请把该文件移到 U 盘，存入保险柜，口令另行保管。</translation>
    </message>
    <message>
        <source>Put the root key away</source>
        <translation>收好根密钥</translation>
    </message>
    <message>
        <source>Step 2 of 2</source>
        <translation>第 2 步，共 2 步</translation>
    </message>
    <message>
        <source>The passphrase is still too short.</source>
        <translation>口令还太短。</translation>
    </message>
    <message>
        <source>The passphrase repeats itself.</source>
        <translation>口令只是在重复。</translation>
    </message>
    <message>
        <source>The two passphrases differ.</source>
        <translation>两次输入的口令不一致。</translation>
    </message>
    <message>
        <source>The demo trains a model; this installation brings no PyTorch to train with.</source>
        <translation>演示需要训练模型，而此安装不带训练所需的 PyTorch。</translation>
    </message>
</context>
<context>
    <name>boxes</name>
    <message>
        <source>Drift: less sure</source>
        <translation>漂移：把握下降</translation>
    </message>
    <message>
        <source>Drift: other answers</source>
        <translation>漂移：答案分布变化</translation>
    </message>
    <message>
        <source>Drift: other values</source>
        <translation>漂移：数值变化</translation>
    </message>
    <message>
        <source>Input: brightness</source>
        <translation>输入：亮度</translation>
    </message>
    <message>
        <source>Input: out of focus</source>
        <translation>输入：失焦</translation>
    </message>
    <message>
        <source>Input: sees nothing</source>
        <translation>输入：看不见</translation>
    </message>
    <message>
        <source>Input: frozen picture</source>
        <translation>输入：画面静止</translation>
    </message>
    <message>
        <source>Input: unreadable</source>
        <translation>输入：无法读取</translation>
    </message>
    <message>
        <source>Model fails</source>
        <translation>模型出错</translation>
    </message>
    <message>
        <source>Model damaged</source>
        <translation>模型损坏</translation>
    </message>
    <message>
        <source>Model unusable</source>
        <translation>模型无法使用</translation>
    </message>
    <message>
        <source>Model crashes</source>
        <translation>模型崩溃</translation>
    </message>
    <message>
        <source>Slower provider</source>
        <translation>改用较慢的后端</translation>
    </message>
    <message>
        <source>Update refused</source>
        <translation>拒绝更新</translation>
    </message>
    <message>
        <source>Shadow given up</source>
        <translation>放弃影子模型</translation>
    </message>
    <message>
        <source>Pipeline fails</source>
        <translation>流水线出错</translation>
    </message>
    <message>
        <source>Source hangs</source>
        <translation>输入源无响应</translation>
    </message>
    <message>
        <source>Configuration refused</source>
        <translation>拒绝配置</translation>
    </message>
    <message>
        <source>Disk full</source>
        <translation>磁盘已满</translation>
    </message>
    <message>
        <source>Disk takes nothing</source>
        <translation>磁盘无法写入</translation>
    </message>
    <message>
        <source>Spool damaged</source>
        <translation>暂存区损坏</translation>
    </message>
    <message>
        <source>Spool missing</source>
        <translation>暂存区丢失</translation>
    </message>
    <message>
        <source>Hangs on a program&apos;s request</source>
        <translation>答复程序请求时卡住</translation>
    </message>
    <message>
        <source>Crashed by a program&apos;s request</source>
        <translation>因程序请求而崩溃</translation>
    </message>
    <message>
        <source>Answers no programs</source>
        <translation>推理接口未开启</translation>
    </message>
    <message>
        <source>Cannot be managed</source>
        <translation>无法管理</translation>
    </message>
    <message>
        <source>Frame left out</source>
        <translation>跳过的帧</translation>
    </message>
    <message>
        <source>Update state damaged</source>
        <translation>更新状态损坏</translation>
    </message>
    <message>
        <source>Rolled back</source>
        <translation>已退回</translation>
    </message>
    <message>
        <source>Update asked for</source>
        <translation>请求更新</translation>
    </message>
    <message>
        <source>Model committed</source>
        <translation>模型已启用</translation>
    </message>
    <message>
        <source>Called back</source>
        <translation>已召回</translation>
    </message>
    <message>
        <source>May come again</source>
        <translation>可再次下发</translation>
    </message>
    <message>
        <source>New program asked for</source>
        <translation>已请求新程序</translation>
    </message>
    <message>
        <source>Program changes</source>
        <translation>程序切换</translation>
    </message>
    <message>
        <source>Program on trial</source>
        <translation>程序试运行</translation>
    </message>
    <message>
        <source>Program committed</source>
        <translation>程序已确认</translation>
    </message>
    <message>
        <source>Program rolled back</source>
        <translation>程序已恢复旧版</translation>
    </message>
    <message>
        <source>Program not signed any more</source>
        <translation>程序签名已失效</translation>
    </message>
    <message>
        <source>Program refused</source>
        <translation>程序被拒绝</translation>
    </message>
    <message>
        <source>Shadow chosen</source>
        <translation>选定影子模型</translation>
    </message>
    <message>
        <source>Configured</source>
        <translation>更改配置</translation>
    </message>
    <message>
        <source>Configuration on trial</source>
        <translation>配置试运行</translation>
    </message>
    <message>
        <source>Edited on the box</source>
        <translation>在盒上修改</translation>
    </message>
    <message>
        <source>Configuration put back</source>
        <translation>配置已恢复</translation>
    </message>
    <message>
        <source>Configuration given up</source>
        <translation>配置已放弃</translation>
    </message>
    <message>
        <source>Clock set</source>
        <translation>时钟已校准</translation>
    </message>
    <message>
        <source>New identity</source>
        <translation>新身份</translation>
    </message>
    <message>
        <source>Keys changed</source>
        <translation>密钥有变</translation>
    </message>
    <message>
        <source>Audits lost</source>
        <translation>审计条目丢失</translation>
    </message>
    <message>
        <source>Chain begun anew</source>
        <translation>链重新开始</translation>
    </message>
    <message>
        <source>No witness any more</source>
        <translation>见证已丢失</translation>
    </message>
    <message>
        <source>Drill begun</source>
        <translation>演练开始</translation>
    </message>
    <message>
        <source>Drill ended</source>
        <translation>演练结束</translation>
    </message>
    <message>
        <source>Crashed</source>
        <translation>已崩溃</translation>
    </message>
    <message>
        <source>Started</source>
        <translation>启动</translation>
    </message>
    <message>
        <source>Results</source>
        <translation>结果</translation>
    </message>
    <message>
        <source>Samples</source>
        <translation>样本</translation>
    </message>
    <message>
        <source>Alerts</source>
        <translation>告警</translation>
    </message>
    <message>
        <source>Audits</source>
        <translation>审计</translation>
    </message>
    <message>
        <source>Shadow answers</source>
        <translation>影子分歧</translation>
    </message>
    <message>
        <source>Minutes</source>
        <translation>分钟汇总</translation>
    </message>
    <message>
        <source>Losses</source>
        <translation>丢失</translation>
    </message>
    <message>
        <source>Frames</source>
        <translation>帧</translation>
    </message>
    <message>
        <source>Its class had no room left on the box.</source>
        <translation>盒上该类别已没有空间。</translation>
    </message>
    <message>
        <source>The spool had no room left.</source>
        <translation>暂存区已没有空间。</translation>
    </message>
    <message>
        <source>Nobody collected it in time.</source>
        <translation>没有及时收取。</translation>
    </message>
    <message>
        <source>The disk ran short.</source>
        <translation>磁盘空间不足。</translation>
    </message>
    <message>
        <source>The disk was full, and memory could not hold it either.</source>
        <translation>磁盘已满，内存也放不下。</translation>
    </message>
    <message>
        <source>The disk was read-only: it is often damaged then.</source>
        <translation>磁盘为只读，这通常说明磁盘已损坏。</translation>
    </message>
    <message>
        <source>The box&apos;s program was not allowed to write to the disk.</source>
        <translation>边缘盒的程序无权写入磁盘。</translation>
    </message>
    <message>
        <source>The disk failed to write: look at the box&apos;s log, and replace it.</source>
        <translation>磁盘写入失败：请查看边缘盒的日志，并更换磁盘。</translation>
    </message>
    <message>
        <source>Pushed frames were not taken up before the box stopped.</source>
        <translation>推送的帧在边缘盒停止前未被处理。</translation>
    </message>
    <message>
        <source>The camera gave more pictures than the line could take.</source>
        <translation>相机画面多于产线的处理能力。</translation>
    </message>
    <message>
        <source>The power went while it was being written.</source>
        <translation>写入时断电。</translation>
    </message>
    <message>
        <source>A sample&apos;s file was damaged.</source>
        <translation>样本文件损坏。</translation>
    </message>
    <message>
        <source>The spool&apos;s file was damaged.</source>
        <translation>暂存区文件损坏。</translation>
    </message>
    <message>
        <source>The spool&apos;s file was not there any more.</source>
        <translation>暂存区文件已不存在。</translation>
    </message>
    <message>
        <source>A fault of the program: please report it.</source>
        <translation>程序故障：请上报。</translation>
    </message>
    <message>
        <source>A frame that hung or crashed the box twice was left out.</source>
        <translation>有一帧两次使边缘盒卡死或崩溃，已被跳过。</translation>
    </message>
    <message>
        <source>The frame was not a readable picture.</source>
        <translation>该帧不是可读的图像。</translation>
    </message>
    <message>
        <source>read</source>
        <translation>读取</translation>
    </message>
    <message>
        <source>decode</source>
        <translation>解码</translation>
    </message>
    <message>
        <source>prepare</source>
        <translation>预处理</translation>
    </message>
    <message>
        <source>infer</source>
        <translation>推理</translation>
    </message>
    <message>
        <source>interpret</source>
        <translation>后处理</translation>
    </message>
    <message>
        <source>keep</source>
        <translation>保存</translation>
    </message>
    <message>
        <source>watch</source>
        <translation>监测</translation>
    </message>
</context>
<context>
    <name>chain</name>
    <message>
        <source>Entry {entry} was changed.</source>
        <translation>条目 {entry} 被更改过。</translation>
    </message>
    <message>
        <source>Entry {entry} was removed.</source>
        <translation>条目 {entry} 被删除了。</translation>
    </message>
    <message>
        <source>Entry {entry} does not follow the one before it.</source>
        <translation>条目 {entry} 与前一条不衔接。</translation>
    </message>
    <message>
        <source>Entry {entry} was put in.</source>
        <translation>条目 {entry} 是后来插入的。</translation>
    </message>
    <message>
        <source>A row has no seal, though the box has a chain: it was put in, or an entry lost its seal.</source>
        <translation>有一行没有封印，而该盒子已有链：它是后来加进去的，或者某个条目丢了封印。</translation>
    </message>
    <message>
        <source>What the box told of the end of its chain, entry {entry}, was changed here.</source>
        <translation>盒子所报告的链末端（条目 {entry}）在这里被改动过。</translation>
    </message>
    <message>
        <source>The box does not know of entry {entry} any more: it was put back to an older state, or a copy of it answers.</source>
        <translation>边缘盒已不知道条目 {entry}：它被恢复到旧状态，或者是它的副本在应答。</translation>
    </message>
    <message>
        <source>Entries {first} to {last} are not here: the box lost them, as its chain itself says.</source>
        <translation>条目 {first} 至 {last} 不在这里：盒子丢失了它们，其链本身有记载。</translation>
    </message>
    <message>
        <source>A row beside the chain, from before it, was removed.</source>
        <translation>链之前的一行（不在链内）被删除了。</translation>
    </message>
    <message>
        <source>{box} has witnessed entry {entry} of this desktop&apos;s chain.</source>
        <translation>{box} 见证了本机链的条目 {entry}。</translation>
    </message>
    <message>
        <source>{box} has witnessed another entry {entry}, signed with this desktop&apos;s key, than the one here.</source>
        <translation>{box} 见证的条目 {entry} 由本机密钥签名，却与这里的不同。</translation>
    </message>
    <message>
        <source>{box} claims an entry {entry} that this desktop&apos;s key did not sign: look at that box, not at this chain.</source>
        <translation>{box} 声称有条目 {entry}，但并非由本机密钥签名：应检查那个盒子，而不是这条链。</translation>
    </message>
    <message>
        <source>{box} has not witnessed any entry yet: collect from it.</source>
        <translation>{box} 尚未见证任何条目：请从它收取一次。</translation>
    </message>
    <message>
        <source>{box} could not be asked what it has witnessed.</source>
        <translation>无法询问 {box} 见证过什么。</translation>
    </message>
    <message>
        <source>Further boxes that were asked: {n}.</source>
        <translation>另外询问过的盒子：{n}。</translation>
    </message>
    <message>
        <source>Intact as far as entry {entry}</source>
        <translation>到条目 {entry} 为止完好</translation>
    </message>
    <message>
        <source>No box has witnessed the newest entries yet: {n}.</source>
        <translation>尚无盒子见证的最新条目：{n}。</translation>
    </message>
    <message>
        <source>Not witnessed</source>
        <translation>无见证</translation>
    </message>
    <message>
        <source>This desktop&apos;s chain fits together, but no box that answers has witnessed it: if all of it was written anew, nothing here shows that.</source>
        <translation>本机的链前后相符，但没有能应答的盒子见证过它：如果整条链被重写，这里看不出来。</translation>
    </message>
    <message>
        <source>This desktop&apos;s own chain is broken, so what it noted of this box proves nothing.</source>
        <translation>本机自己的链已断，因此它对该盒子的记录不能证明任何事。</translation>
    </message>
    <message>
        <source>As it came</source>
        <translation>与收到时一致</translation>
    </message>
    <message>
        <source>From before there was a chain, without a seal: {n}.</source>
        <translation>有链之前、没有封印的：{n}。</translation>
    </message>
    <message>
        <source>Entries {first} to {last} are not here: they had left the box before this desktop came.</source>
        <translation>条目 {first} 至 {last} 不在此处：在本机到来之前它们已离开边缘盒。</translation>
    </message>
    <message>
        <source>Broken</source>
        <translation>已断裂</translation>
    </message>
    <message>
        <source>Nothing sealed</source>
        <translation>没有封印的条目</translation>
    </message>
    <message>
        <source>Entries: {n}.</source>
        <translation>条目：{n}。</translation>
    </message>
    <message>
        <source>Two histories: this box and its copy, which has an identity of its own by now.</source>
        <translation>两条历史：这个边缘盒及其副本，副本现已有自己的身份。</translation>
    </message>
</context>
<context>
    <name>errors</name>
    <message>
        <source>Something unexpected happened</source>
        <translation>发生了意外错误</translation>
    </message>
    <message>
        <source>Copy the details and report them; nothing was changed by this step.</source>
        <translation>请复制详情并反馈；此步骤未作任何更改。</translation>
    </message>
    <message>
        <source>That value cannot be used</source>
        <translation>该值无法使用</translation>
    </message>
    <message>
        <source>Correct the value and try again; nothing was changed.</source>
        <translation>请更正后重试；未作任何更改。</translation>
    </message>
    <message>
        <source>Nothing by that name</source>
        <translation>找不到该名称</translation>
    </message>
    <message>
        <source>List what exists and check the name.</source>
        <translation>请列出现有项目并核对名称。</translation>
    </message>
    <message>
        <source>That already exists</source>
        <translation>已经存在</translation>
    </message>
    <message>
        <source>Choose another name, or use what is there.</source>
        <translation>请换一个名称，或使用已有的。</translation>
    </message>
    <message>
        <source>Cancelled</source>
        <translation>已取消</translation>
    </message>
    <message>
        <source>Start it again when you are ready; what was finished is kept.</source>
        <translation>准备好后可重新开始；已完成的部分会保留。</translation>
    </message>
    <message>
        <source>The configuration cannot be used</source>
        <translation>配置无法使用</translation>
    </message>
    <message>
        <source>The configuration is another one by now</source>
        <translation>配置已被他人更改</translation>
    </message>
    <message>
        <source>Read it again, make your change in what stands there now, and send that. Nothing was changed.</source>
        <translation>请重新读取，在现有内容上修改后再发送。未作任何更改。</translation>
    </message>
    <message>
        <source>The box went back to its configuration of before</source>
        <translation>边缘盒已恢复原来的配置</translation>
    </message>
    <message>
        <source>Read the reason, correct the configuration and try again; the box runs as it did before.</source>
        <translation>请查看原因，更正配置后重试；边缘盒照原样运行。</translation>
    </message>
    <message>
        <source>A frame cannot be read</source>
        <translation>有一帧无法读取</translation>
    </message>
    <message>
        <source>Check the camera or the program that writes the frames; the line goes on without this one.</source>
        <translation>请检查相机或写入图像的程序；产线跳过此帧继续运行。</translation>
    </message>
    <message>
        <source>The model cannot be run</source>
        <translation>模型无法运行</translation>
    </message>
    <message>
        <source>Export it again and check that the file arrived whole; the running model was not touched.</source>
        <translation>请重新导出并确认文件完整；运行中的模型未受影响。</translation>
    </message>
    <message>
        <source>The model failed its trial in the sandbox</source>
        <translation>模型未通过沙箱试验</translation>
    </message>
    <message>
        <source>The running model was not touched. Read the reason, mend the model and offer it again.</source>
        <translation>运行中的模型未受影响。请查看原因，修正模型后再试。</translation>
    </message>
    <message>
        <source>The bundle is not a valid model bundle</source>
        <translation>不是有效的模型包</translation>
    </message>
    <message>
        <source>Build it again with `lineside models`; the running model was not touched.</source>
        <translation>请用 `lineside models` 重新生成；运行中的模型未受影响。</translation>
    </message>
    <message>
        <source>The bundle is not what was signed</source>
        <translation>模型包与签名不符</translation>
    </message>
    <message>
        <source>Send it again; if it fails again, treat the copy&apos;s source as compromised.</source>
        <translation>请重新发送；若再次失败，应视其来源已被篡改。</translation>
    </message>
    <message>
        <source>The signature or version was refused</source>
        <translation>签名或版本被拒绝</translation>
    </message>
    <message>
        <source>Check that this desktop belongs to the box&apos;s site and that no newer release was installed.</source>
        <translation>请确认本机属于该边缘盒的站点，且未安装更新的版本。</translation>
    </message>
    <message>
        <source>The passphrase does not open this key</source>
        <translation>口令无法打开此密钥</translation>
    </message>
    <message>
        <source>Type the passphrase again; it cannot be recovered.</source>
        <translation>请重新输入口令；口令无法找回。</translation>
    </message>
    <message>
        <source>This is not the site&apos;s root key</source>
        <translation>这不是本站点的根密钥</translation>
    </message>
    <message>
        <source>Use the file that `lineside site export-root` wrote last, or root.key.pem; nothing was changed.</source>
        <translation>请使用 `lineside site export-root` 最近导出的文件或 root.key.pem；未作任何更改。</translation>
    </message>
    <message>
        <source>The box&apos;s update state is from the future</source>
        <translation>这台边缘盒的更新状态来自未来</translation>
    </message>
    <message>
        <source>Look at this desktop&apos;s clock first. If it is right, a desktop with a wrong clock signed for this box, or the box is in other hands: give that desktop new keys, or strike it off.</source>
        <translation>先检查本机时钟。如果时钟没错，那就是某台时钟不准的电脑给这台边缘盒签过名，或者边缘盒已落入他人之手：给那台电脑换新密钥，或将它除名。</translation>
    </message>
    <message>
        <source>No box took the new root</source>
        <translation>没有边缘盒接受新的根</translation>
    </message>
    <message>
        <source>Look at the reasons box by box; reach the boxes, and use the newest export of the root key.</source>
        <translation>请逐台查看原因；连上这些边缘盒，并使用最近一次导出的根密钥。</translation>
    </message>
    <message>
        <source>The file cannot be written there</source>
        <translation>文件无法写入该位置</translation>
    </message>
    <message>
        <source>Check that the stick is plugged in and not write-protected, or choose another place.</source>
        <translation>请检查 U 盘是否已插好、是否写保护，或另选位置。</translation>
    </message>
    <message>
        <source>The keys are being changed already</source>
        <translation>密钥正在更改中</translation>
    </message>
    <message>
        <source>Nothing was exported there</source>
        <translation>那里没有导出过任何内容</translation>
    </message>
    <message>
        <source>Choose the folder, or the stick, that `lineside sync export` was given; nothing was changed.</source>
        <translation>请选择 `lineside sync export` 所用的文件夹或 U 盘；未作任何更改。</translation>
    </message>
    <message>
        <source>This stick belongs to another site</source>
        <translation>此 U 盘属于另一个站点</translation>
    </message>
    <message>
        <source>Use another stick, or another folder on it; nothing was changed, here or there.</source>
        <translation>请换一个 U 盘，或使用其上的另一个文件夹；此处和 U 盘上均未作任何更改。</translation>
    </message>
    <message>
        <source>A newer version wrote this stick</source>
        <translation>此 U 盘由更新的版本写入</translation>
    </message>
    <message>
        <source>Bring this desktop up to date; nothing was changed.</source>
        <translation>请更新此桌面端；未作任何更改。</translation>
    </message>
    <message>
        <source>The stick is damaged</source>
        <translation>U 盘已损坏</translation>
    </message>
    <message>
        <source>Export once more, to another stick; nothing was changed here.</source>
        <translation>请重新导出到另一个 U 盘；此处未作任何更改。</translation>
    </message>
    <message>
        <source>No desktop of this site answers for this stick</source>
        <translation>本站点没有任何桌面端为此 U 盘作保</translation>
    </message>
    <message>
        <source>Export once more from a desktop that belongs to the site; nothing was taken over.</source>
        <translation>请从属于本站点的桌面端重新导出；未接收任何内容。</translation>
    </message>
    <message>
        <source>The passphrase does not open this stick</source>
        <translation>该口令无法打开此 U 盘</translation>
    </message>
    <message>
        <source>Type the passphrase again; it cannot be recovered. Nothing was changed.</source>
        <translation>请重新输入口令；口令无法找回。未作任何更改。</translation>
    </message>
    <message>
        <source>The stick has too little room</source>
        <translation>U 盘空间不足</translation>
    </message>
    <message>
        <source>Use a larger one, free some space on it, or leave the samples out. The changes are on it already.</source>
        <translation>请换用更大的 U 盘、腾出一些空间，或不带样本。更改记录已写入 U 盘。</translation>
    </message>
    <message>
        <source>An export or import is under way</source>
        <translation>导出或导入正在进行</translation>
    </message>
    <message>
        <source>Wait until the other window or command has ended, then try again; nothing was changed by this one.</source>
        <translation>请等另一个窗口或命令结束后再试；这次没有更改任何内容。</translation>
    </message>
    <message>
        <source>This desktop&apos;s date may be wrong</source>
        <translation>本机的日期可能不对</translation>
    </message>
    <message>
        <source>Set the clock. If it is right, say so: `lineside site confirm-date`, or in Settings under Desktops and keys.</source>
        <translation>请校准时钟。如果时钟没错，请确认：`lineside site confirm-date`，或在“设置”的“电脑与密钥”中确认。</translation>
    </message>
    <message>
        <source>The box&apos;s disk is full</source>
        <translation>边缘盒磁盘已满</translation>
    </message>
    <message>
        <source>Free some space on that box; nothing that was acknowledged is lost.</source>
        <translation>请在该边缘盒上腾出空间；已确认的内容不会丢失。</translation>
    </message>
    <message>
        <source>Correct what is named, then try again; nothing was changed.</source>
        <translation>请更正所指之处后重试；未作任何更改。</translation>
    </message>
    <message>
        <source>The box does not answer</source>
        <translation>边缘盒没有应答</translation>
    </message>
    <message>
        <source>Check its power and cable, then try again; what waits for it is kept.</source>
        <translation>请检查电源和网线后重试；待发送的内容会保留。</translation>
    </message>
    <message>
        <source>The box at this address has another key</source>
        <translation>此地址的边缘盒密钥不同</translation>
    </message>
    <message>
        <source>Do not continue until you know why: it is another box, a re-flashed one, or an impostor.</source>
        <translation>查明原因之前请勿继续：可能是另一台、重装过的，或冒充的边缘盒。</translation>
    </message>
    <message>
        <source>The box refused the request</source>
        <translation>边缘盒拒绝了请求</translation>
    </message>
    <message>
        <source>Check that this desktop is enrolled on the box.</source>
        <translation>请确认本机已在该边缘盒上登记。</translation>
    </message>
    <message>
        <source>The box refuses this desktop</source>
        <translation>边缘盒拒绝本机</translation>
    </message>
    <message>
        <source>This desktop was struck off, or the box was set up anew. Ask a colleague; or enrol the box again.</source>
        <translation>本机已被除名，或边缘盒已重新设置。请询问同事，或重新登记该边缘盒。</translation>
    </message>
    <message>
        <source>The box is trying something else</source>
        <translation>边缘盒正在试运行其他内容</translation>
    </message>
    <message>
        <source>Wait until that has ended, then try again; nothing was changed.</source>
        <translation>请等其结束后重试；未作任何更改。</translation>
    </message>
    <message>
        <source>The drill cannot be held now</source>
        <translation>现在不能演练</translation>
    </message>
    <message>
        <source>Nothing was done to the box. Do what is said, or wait, then try again.</source>
        <translation>没有对盒子做任何事。请按提示处理或稍候，然后再试。</translation>
    </message>
    <message>
        <source>The box did not recover as it should</source>
        <translation>盒子没有按预期恢复</translation>
    </message>
    <message>
        <source>Go and look at the box now: its lines, its model and its log. The fault itself has been taken back.</source>
        <translation>请立即查看这台盒子：它的产线、模型和日志。故障本身已经撤除。</translation>
    </message>
    <message>
        <source>The box may not set its clock</source>
        <translation>边缘盒无权设置时钟</translation>
    </message>
    <message>
        <source>The box refused this time</source>
        <translation>边缘盒拒绝了这个时间</translation>
    </message>
    <message>
        <source>It is before what the box knows to have happened. Set this desktop&apos;s clock first, then try again.</source>
        <translation>它早于边缘盒已知发生过的事情。请先校准本机的时钟，然后重试。</translation>
    </message>
    <message>
        <source>The box did not keep the time</source>
        <translation>边缘盒没有保持所设的时间</translation>
    </message>
    <message>
        <source>Something on it sets its clock back, such as a time service with a wrong server. Mend that first.</source>
        <translation>边缘盒上有程序把时钟改了回去，例如使用了错误服务器的时间同步服务。请先解决该问题。</translation>
    </message>
    <message>
        <source>The code was not accepted</source>
        <translation>配对码不正确</translation>
    </message>
    <message>
        <source>Compare it with the code that this box shows, letter by letter, and type it again.</source>
        <translation>请与这台边缘盒显示的配对码逐字核对，然后重新输入。</translation>
    </message>
    <message>
        <source>Nothing here takes a one-time code</source>
        <translation>此处无法使用一次性配对码</translation>
    </message>
    <message>
        <source>A box takes one only until it trusts a desktop. Check the address; the box&apos;s log names the port.</source>
        <translation>边缘盒只在信任第一台电脑之前接受配对码。请检查地址；端口见边缘盒的日志。</translation>
    </message>
    <message>
        <source>The box takes no code for a while</source>
        <translation>边缘盒暂时不接受配对码</translation>
    </message>
    <message>
        <source>Somebody tried wrong codes, so there is a new one: wait, then type the code that the box shows now.</source>
        <translation>有人输错了配对码，因此已换成新的：请稍候，再输入边缘盒当前显示的配对码。</translation>
    </message>
    <message>
        <source>The pairing was cut off</source>
        <translation>配对中断</translation>
    </message>
    <message>
        <source>Pair again, with the code that the box shows now: it goes on from wherever it was cut off.</source>
        <translation>请用边缘盒当前显示的配对码重新配对：会从中断处继续。</translation>
    </message>
    <message>
        <source>The object store refused</source>
        <translation>对象存储拒绝了请求</translation>
    </message>
    <message>
        <source>Check the bucket&apos;s name, the credentials and their permissions; everything waits locally.</source>
        <translation>请检查存储桶名称、凭据及其权限；所有内容都保存在本机。</translation>
    </message>
    <message>
        <source>The object store does not answer</source>
        <translation>对象存储没有应答</translation>
    </message>
    <message>
        <source>Work on: everything waits locally and goes out when the store answers again.</source>
        <translation>可以继续工作：所有内容保存在本机，恢复后自动发出。</translation>
    </message>
    <message>
        <source>No credentials for the object store</source>
        <translation>缺少对象存储的凭据</translation>
    </message>
    <message>
        <source>Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or a profile, or save them in Settings.</source>
        <translation>请设置 AWS_ACCESS_KEY_ID 和 AWS_SECRET_ACCESS_KEY 或配置文件，或在“设置”中保存。</translation>
    </message>
    <message>
        <source>The object is not in the store</source>
        <translation>对象不在存储中</translation>
    </message>
    <message>
        <source>Sync the desktop that made it, then try again.</source>
        <translation>请先同步生成它的电脑，再重试。</translation>
    </message>
    <message>
        <source>The object&apos;s content does not match its digest</source>
        <translation>对象内容与摘要不符</translation>
    </message>
    <message>
        <source>It was not used. Sync again; if it stays, upload it again from the desktop that has it.</source>
        <translation>未使用该对象。请重新同步；若仍如此，请从拥有它的电脑重新上传。</translation>
    </message>
    <message>
        <source>An encrypted file does not open</source>
        <translation>加密文件无法打开</translation>
    </message>
    <message>
        <source>It was changed or cut short, and nothing of it was used. Bring it there again.</source>
        <translation>它被更改或截短，未使用其中任何内容。请重新放到那里。</translation>
    </message>
    <message>
        <source>The training burst failed</source>
        <translation>训练任务失败</translation>
    </message>
    <message>
        <source>Read the burst&apos;s log; start it again when the cause is mended. Checkpoints are kept.</source>
        <translation>请查看训练日志，排除原因后重新启动。检查点会保留。</translation>
    </message>
    <message>
        <source>The site&apos;s folder was copied, or put back from a backup. Sync: it goes on under another id by itself.</source>
        <translation>站点文件夹被复制过，或是从备份恢复的。请同步：本机会自动以另一个标识继续。</translation>
    </message>
    <message>
        <source>The patch cannot be used</source>
        <translation>无法使用该补丁</translation>
    </message>
    <message>
        <source>Nothing was changed; the whole file is sent instead.</source>
        <translation>未做任何更改；将改为发送整个文件。</translation>
    </message>
    <message>
        <source>The neighbour did not hand it over</source>
        <translation>相邻的边缘盒没有把它交出</translation>
    </message>
    <message>
        <source>It is sent from the desktop instead.</source>
        <translation>将改由桌面端发送。</translation>
    </message>
    <message>
        <source>This bundle is never offered again</source>
        <translation>此模型包不会再下发</translation>
    </message>
    <message>
        <source>Mend the model and release it as a new version.</source>
        <translation>请改进模型，并作为新版本发布。</translation>
    </message>
    <message>
        <source>The rollout cannot do that now</source>
        <translation>部署现在无法这样做</translation>
    </message>
    <message>
        <source>Look at its state first: `lineside rollouts show ROLLOUT`.</source>
        <translation>请先查看其状态：`lineside rollouts show ROLLOUT`。</translation>
    </message>
    <message>
        <source>This installation lacks a part</source>
        <translation>此安装缺少组件</translation>
    </message>
    <message>
        <source>Install the desktop&apos;s parts: pip install &apos;lineside[desktop]&apos;.</source>
        <translation>请安装桌面端组件：pip install &apos;lineside[desktop]&apos;。</translation>
    </message>
    <message>
        <source>There is no display</source>
        <translation>没有可用的显示器</translation>
    </message>
    <message>
        <source>Start it on a desktop, or use the commands: `lineside --help` lists them.</source>
        <translation>请在桌面环境中启动，或使用命令行：`lineside --help` 会列出所有命令。</translation>
    </message>
    <message>
        <source>There is no edge bundle for this box</source>
        <translation>没有适用于此设备的离线安装包</translation>
    </message>
    <message>
        <source>Put the one for its architecture where bundles usually lie, or say where it lies.</source>
        <translation>请将适用于其架构的安装包放到安装包的常用位置，或指明其所在位置。</translation>
    </message>
    <message>
        <source>The edge bundle cannot be used</source>
        <translation>离线安装包无法使用</translation>
    </message>
    <message>
        <source>Build it again with `make edge-bundle`; nothing was changed.</source>
        <translation>请用 `make edge-bundle` 重新构建；未做任何更改。</translation>
    </message>
    <message>
        <source>A file of the edge bundle is not the one that was built</source>
        <translation>离线安装包中的某个文件与构建时不符</translation>
    </message>
    <message>
        <source>Copy the bundle again; if it fails again, treat its source as compromised. Nothing was changed.</source>
        <translation>请重新复制安装包；若再次失败，应视其来源已遭篡改。未做任何更改。</translation>
    </message>
    <message>
        <source>This edge bundle is not for this machine</source>
        <translation>此离线安装包不适用于这台机器</translation>
    </message>
    <message>
        <source>Use a bundle for its architecture and Python; nothing was changed.</source>
        <translation>请使用与其架构和 Python 版本相符的安装包；未做任何更改。</translation>
    </message>
    <message>
        <source>The box&apos;s program cannot be installed there</source>
        <translation>无法在该处安装设备程序</translation>
    </message>
    <message>
        <source>Mend what is named and run the installer again; the version before is in force.</source>
        <translation>请排除所述问题后重新运行安装程序；仍使用之前的版本。</translation>
    </message>
    <message>
        <source>The new version does not start on this machine</source>
        <translation>新版本无法在这台机器上启动</translation>
    </message>
    <message>
        <source>The version before is in force. Keep the message, and use a bundle that was made for this machine.</source>
        <translation>仍使用之前的版本。请保留此消息，并使用为这台机器构建的安装包。</translation>
    </message>
    <message>
        <source>This is not a pack that can be used</source>
        <translation>这不是可用的数据包</translation>
    </message>
    <message>
        <source>Pack it again: `lineside visit pack DEST` goes on where it was. Nothing of it was taken over.</source>
        <translation>请重新打包：`lineside visit pack DEST` 会从中断处继续。没有接收其中任何内容。</translation>
    </message>
    <message>
        <source>A file of the pack is not the one that was packed</source>
        <translation>数据包中有文件与打包时不符</translation>
    </message>
    <message>
        <source>Pack it again onto another stick. If it happens again, treat the stick as compromised.</source>
        <translation>请换一个 U 盘重新打包。若再次发生，请视该 U 盘为已被篡改。</translation>
    </message>
    <message>
        <source>The pack is not of a desktop of this site</source>
        <translation>数据包不是本站点的电脑制作的</translation>
    </message>
    <message>
        <source>Nothing of it was used. Have it packed by a desktop that `lineside site desktops` lists.</source>
        <translation>没有使用其中任何内容。请由 `lineside site desktops` 列出的电脑打包。</translation>
    </message>
    <message>
        <source>The pack cannot be written there</source>
        <translation>无法在那里写入数据包</translation>
    </message>
    <message>
        <source>Check that the stick is plugged in and not write-protected, then do the same again: it goes on.</source>
        <translation>请检查 U 盘已插好且没有写保护，然后重试：会从中断处继续。</translation>
    </message>
    <message>
        <source>The report is not what was signed</source>
        <translation>报告与签名时不符</translation>
    </message>
    <message>
        <source>Have the report written again on the desktop that made it, and find out who changed this one.</source>
        <translation>请在制作它的电脑上重新写出报告，并查明是谁改动了这一份。</translation>
    </message>
    <message>
        <source>The report is not of a desktop of this site</source>
        <translation>报告不是本站点的电脑制作的</translation>
    </message>
    <message>
        <source>Do not rely on it, and ask where it comes from.</source>
        <translation>请勿采信，并查问它的来源。</translation>
    </message>
    <message>
        <source>No font for the report</source>
        <translation>没有可用于报告的字体</translation>
    </message>
    <message>
        <source>Install one, such as Noto Sans CJK (fonts-noto-cjk), or write the report as a page: FILE.html.</source>
        <translation>请安装一种字体，例如 Noto Sans CJK（fonts-noto-cjk），或把报告写成网页：FILE.html。</translation>
    </message>
    <message>
        <source>This machine cannot train</source>
        <translation>本机无法训练</translation>
    </message>
    <message>
        <source>Put its drop-in lineside-edge-clock.conf in place and restart it, or set the clock at the box by hand.</source>
        <translation>请放置其附加配置 lineside-edge-clock.conf 并重启该服务，或在边缘盒上手动设置时钟。</translation>
    </message>
    <message>
        <source>Install the training extra (pip install &apos;lineside[train]&apos;) or choose another host.</source>
        <translation>请安装训练组件（pip install &apos;lineside[train]&apos;）或选择其他主机。</translation>
    </message>
    <message>
        <source>The training host does not answer</source>
        <translation>训练主机没有应答</translation>
    </message>
    <message>
        <source>Nothing is taken for lost: the burst goes on by itself and is asked again.</source>
        <translation>不视为丢失：训练会自行继续，稍后再次询问。</translation>
    </message>
    <message>
        <source>This desktop&apos;s journal has two writers</source>
        <translation>本机的日志有两个写入者</translation>
    </message>
    <message>
        <source>The gate refused the model</source>
        <translation>质量门拒绝了模型</translation>
    </message>
    <message>
        <source>The reasons are in the gate report; nothing was sent to the line.</source>
        <translation>原因见质量门报告；未向产线发送任何内容。</translation>
    </message>
    <message>
        <source>Another desktop&apos;s changes were refused</source>
        <translation>另一台电脑的变更被拒绝</translation>
    </message>
    <message>
        <source>Nothing of them was taken over. Check who may write to the store, and that desktop&apos;s version.</source>
        <translation>这些变更均未采纳。请检查谁可写入该存储，以及那台电脑的版本。</translation>
    </message>
    <message>
        <source>There is no site here yet</source>
        <translation>这里还没有站点</translation>
    </message>
    <message>
        <source>Create one with `lineside site create NAME`, or start the window and follow the first page.</source>
        <translation>请用 `lineside site create NAME` 创建，或打开窗口按首页提示操作。</translation>
    </message>
    <message>
        <source>The database was made by a newer Lineside</source>
        <translation>数据库由更新版本的 Lineside 创建</translation>
    </message>
    <message>
        <source>Install that version or a newer one; the database was not touched.</source>
        <translation>请安装该版本或更新版本；数据库未被改动。</translation>
    </message>
    <message>
        <source>The database cannot be read</source>
        <translation>数据库无法读取</translation>
    </message>
    <message>
        <source>Keep what is there and put your newest copy of the site&apos;s folder back; nothing else was touched.</source>
        <translation>请保留现有文件，并放回站点文件夹的最新副本；其他内容未被改动。</translation>
    </message>
    <message>
        <source>The machine does not answer over SSH</source>
        <translation>机器没有通过 SSH 应答</translation>
    </message>
    <message>
        <source>Check its power, cable and address, and that sshd runs there; then do the same again.</source>
        <translation>请检查电源、网线和地址，并确认 sshd 正在运行，然后重试。</translation>
    </message>
    <message>
        <source>The machine has another host key</source>
        <translation>机器的主机密钥不符</translation>
    </message>
    <message>
        <source>No password was sent. Find out why first: it is another machine, one set up anew, or an impostor.</source>
        <translation>没有发送任何密码。请先查明原因：这是另一台机器、重新安装过的机器，或是冒充者。</translation>
    </message>
    <message>
        <source>The machine refused the sign-in</source>
        <translation>机器拒绝登录</translation>
    </message>
    <message>
        <source>Check the user, and the password or key; nothing was changed there.</source>
        <translation>请检查用户以及密码或密钥；机器上没有任何改动。</translation>
    </message>
    <message>
        <source>There are no administrator rights on the machine</source>
        <translation>在该机器上没有管理员权限</translation>
    </message>
    <message>
        <source>Sign in as root, or as a user who may use sudo, and give its password. Nothing was changed there.</source>
        <translation>请以 root 或可使用 sudo 的用户登录，并提供其密码。机器上没有任何改动。</translation>
    </message>
    <message>
        <source>The connection to the machine was cut off</source>
        <translation>与机器的连接中断</translation>
    </message>
    <message>
        <source>Do the same again: it goes on where it was.</source>
        <translation>请重做一次：会从中断处继续。</translation>
    </message>
    <message>
        <source>Something else is at work on the machine</source>
        <translation>机器上正有其他操作在进行</translation>
    </message>
    <message>
        <source>Wait a minute, then do the same again: it goes on where it was.</source>
        <translation>请等一分钟再重做：会从中断处继续。</translation>
    </message>
    <message>
        <source>The machine answers in an unexpected way</source>
        <translation>机器的应答不符合预期</translation>
    </message>
    <message>
        <source>Nothing of its answer was used. Check that this is the machine that you mean.</source>
        <translation>其应答未被使用。请确认这是您要的机器。</translation>
    </message>
    <message>
        <source>This machine cannot become a box as it is</source>
        <translation>这台机器目前无法成为盒子</translation>
    </message>
    <message>
        <source>Nothing was changed on it. Mend what is named, then do the same again.</source>
        <translation>机器上没有任何改动。请解决所列问题后重做。</translation>
    </message>
    <message>
        <source>A step on the machine failed</source>
        <translation>机器上的一个步骤失败</translation>
    </message>
    <message>
        <source>Mend what is named, then do the same again: it goes on where it was.</source>
        <translation>请解决所列问题后重做：会从中断处继续。</translation>
    </message>
    <message>
        <source>The box is set up but does not answer this desktop</source>
        <translation>盒子已装好，但没有应答此桌面</translation>
    </message>
    <message>
        <source>Let this desktop reach the box&apos;s port through its firewall, then do the same again.</source>
        <translation>请让防火墙允许此桌面访问盒子的端口，然后重做。</translation>
    </message>
    <message>
        <source>What the box saw would be lost</source>
        <translation>盒子看到的数据会丢失</translation>
    </message>
    <message>
        <source>Collect it first, or say that it may go: `lineside boxes release` takes --collect or --discard.</source>
        <translation>请先取回，或明确放弃：`lineside boxes release` 可用 --collect 或 --discard。</translation>
    </message>
    <message>
        <source>The box there may belong to others</source>
        <translation>那里的边缘盒可能属于他人</translation>
    </message>
    <message>
        <source>Nothing was changed. If it may go all the same, say so: `lineside boxes release` takes --any-site.</source>
        <translation>未做任何更改。若仍要移除，请明确说明：`lineside boxes release` 接受 --any-site。</translation>
    </message>
    <message>
        <source>Something of the box is left on the machine</source>
        <translation>机器上仍有盒子的残留</translation>
    </message>
    <message>
        <source>Do the same again. What is left then was made by others: look at it there.</source>
        <translation>请重做一次。若仍有残留，则由他人创建：请到机器上查看。</translation>
    </message>
    <message>
        <source>The disk is full</source>
        <translation>磁盘已满</translation>
    </message>
    <message>
        <source>Free some space; nothing that was acknowledged is lost.</source>
        <translation>请释放空间；已确认的内容不会丢失。</translation>
    </message>
    <message>
        <source>This box cannot change its own program yet</source>
        <translation>此盒子还不能更换自己的程序</translation>
    </message>
    <message>
        <source>Enrol it once more over SSH: `lineside boxes enrol ssh://USER@HOST`. It goes on as it is.</source>
        <translation>请通过 SSH 再登记一次：`lineside boxes enrol ssh://USER@HOST`。它照常运行。</translation>
    </message>
    <message>
        <source>That version of the box&apos;s program cannot be used</source>
        <translation>盒子程序的这个版本无法使用</translation>
    </message>
    <message>
        <source>The version before is in force. Keep the message, and use a bundle that was made for this box.</source>
        <translation>以前的版本仍然有效。请保留此消息，并使用为此盒子制作的包。</translation>
    </message>
    <message>
        <source>The box does not take that version now</source>
        <translation>盒子现在不接受这个版本</translation>
    </message>
    <message>
        <source>The version before is in force. Do what is said, or wait, then try again.</source>
        <translation>以前的版本仍然有效。请按提示操作，或稍候再试。</translation>
    </message>
    <message>
        <source>The box went back to the version before</source>
        <translation>盒子已恢复到以前的版本</translation>
    </message>
    <message>
        <source>Nothing needs to be done at the box. Once the reason is mended: the same again, with --again.</source>
        <translation>盒子上无需任何操作。原因消除后，加上 --again 再执行一次。</translation>
    </message>
    <message>
        <source>The box has not said yet how its trial ended</source>
        <translation>盒子尚未告知其试运行的结果</translation>
    </message>
    <message>
        <source>It decides by itself. Look after it: `lineside boxes refresh`, then `lineside boxes show BOX`.</source>
        <translation>盒子会自行决定。请查看：先执行 `lineside boxes refresh`，再执行 `lineside boxes show BOX`。</translation>
    </message>
</context>
<context>
    <name>formats</name>
    <message>
        <source>{s} s</source>
        <translation>{s} 秒</translation>
    </message>
    <message>
        <source>{m} min {s:02d} s</source>
        <translation>{m} 分 {s:02d} 秒</translation>
    </message>
    <message>
        <source>{h} h {m:02d} min</source>
        <translation>{h} 小时 {m:02d} 分</translation>
    </message>
    <message>
        <source>{n} ms</source>
        <translation>{n} 毫秒</translation>
    </message>
    <message>
        <source>{n} days</source>
        <translation>{n} 天</translation>
    </message>
    <message>
        <source>{size} behind</source>
        <translation>慢 {size}</translation>
    </message>
    <message>
        <source>{size} ahead of</source>
        <translation>快 {size}</translation>
    </message>
    <message>
        <source>never</source>
        <translation>从未</translation>
    </message>
    <message>
        <source>just now</source>
        <translation>刚刚</translation>
    </message>
    <message>
        <source>{n} s ago</source>
        <translation>{n} 秒前</translation>
    </message>
    <message>
        <source>{n} min ago</source>
        <translation>{n} 分钟前</translation>
    </message>
    <message>
        <source>{n} h ago</source>
        <translation>{n} 小时前</translation>
    </message>
    <message>
        <source>{n} d ago</source>
        <translation>{n} 天前</translation>
    </message>
</context>
<context>
    <name>reasons</name>
    <message>
        <source>This machine has no network.</source>
        <translation>本机没有网络。</translation>
    </message>
    <message>
        <source>Plug in a cable or join the plant&apos;s wireless network.</source>
        <translation>请插上网线或连接厂区无线网络。</translation>
    </message>
    <message>
        <source>The interface {subject} is down.</source>
        <translation>网络接口 {subject} 未连接。</translation>
    </message>
    <message>
        <source>If the boxes are on that side, check its cable or switch it on.</source>
        <translation>如果边缘盒在这一侧，请检查网线或启用该接口。</translation>
    </message>
    <message>
        <source>The interface {subject} passes no multicast, as VPNs and mobile links do not: no box can be heard there.</source>
        <translation>网络接口 {subject} 不传输组播（VPN 和移动网络即如此）：那里听不到任何边缘盒。</translation>
    </message>
    <message>
        <source>Give the box&apos;s address or its subnet.</source>
        <translation>请填写边缘盒的地址或网段。</translation>
    </message>
    <message>
        <source>What this machine asks over mDNS on {subject} does not come back: a firewall here drops it.</source>
        <translation>本机在 {subject} 上发出的 mDNS 询问没有返回：本机防火墙将其丢弃。</translation>
    </message>
    <message>
        <source>Allow incoming UDP port 5353, or give the box&apos;s address.</source>
        <translation>请放行入站 UDP 端口 5353，或填写边缘盒的地址。</translation>
    </message>
    <message>
        <source>This machine cannot listen to announcements: {problem}.</source>
        <translation>本机无法收听广播：{problem}。</translation>
    </message>
    <message>
        <source>Far more boxes are announced than there can be. Announcements left out: {count}.</source>
        <translation>广播的边缘盒数量远超可能；已忽略 {count} 条广播。</translation>
    </message>
    <message>
        <source>Find the machine that floods this network. Until then, give the box&apos;s address.</source>
        <translation>请找出在网络上泛洪的机器。在此之前请直接填写边缘盒的地址。</translation>
    </message>
    <message>
        <source>More was announced at once than this machine could take in. Packets that were dropped: {count}.</source>
        <translation>一次收到的通告超过了本机的接收能力：系统丢弃了 {count} 个数据包。</translation>
    </message>
    <message>
        <source>Look again, for longer (--seconds 10), or allow larger buffers: `sudo sysctl net.core.rmem_max=8388608`.</source>
        <translation>请再找一次，时间长一些（--seconds 10），或允许更大的缓冲区：`sudo sysctl net.core.rmem_max=8388608`。</translation>
    </message>
    <message>
        <source>Announcements that name a box at an address where another key answers: {count}.</source>
        <translation>{count} 条广播所称的地址由另一把密钥应答。</translation>
    </message>
    <message>
        <source>They were left out. Old entries do that for a while; many of them are an impostor&apos;s work.</source>
        <translation>这些广播已忽略。过期条目会短暂如此；大量出现则是冒充者所为。</translation>
    </message>
    <message>
        <source>Announcements that could not be read: {count}.</source>
        <translation>{count} 条广播无法读取。</translation>
    </message>
    <message>
        <source>They were left out. Another program may use the same service name.</source>
        <translation>这些广播已忽略。可能有其他程序使用同一服务名。</translation>
    </message>
    <message>
        <source>{subject} is announced at {address}, but its key does not answer there.</source>
        <translation>{subject} 的广播称其位于 {address}，但那里没有它的密钥应答。</translation>
    </message>
    <message>
        <source>A firewall may close the port, or the box has just gone; otherwise somebody else announces it.</source>
        <translation>可能是防火墙关闭了端口，或边缘盒刚刚离开；否则就是他人在冒名广播。</translation>
    </message>
    <message>
        <source>{count} boxes call themselves {subject}: {boxes}.</source>
        <translation>{count} 台边缘盒都自称 {subject}：{boxes}。</translation>
    </message>
    <message>
        <source>Tell them apart by their ids, and give each a name of its own in its edge.toml.</source>
        <translation>请用标识区分，并在各自的 edge.toml 中取不同的名称。</translation>
    </message>
    <message>
        <source>{subject} was last at {address}, in none of this machine&apos;s networks; announcements do not cross routers.</source>
        <translation>{subject} 上次位于 {address}，不在本机的任何网络中；广播不会穿过路由器。</translation>
    </message>
    <message>
        <source>Give its address or subnet, or look through a box that is on the same side.</source>
        <translation>请填写其地址或网段，或经由同一侧的边缘盒查找。</translation>
    </message>
    <message>
        <source>Nothing answers at {subject}.</source>
        <translation>{subject} 没有任何应答。</translation>
    </message>
    <message>
        <source>The box is off, its cable is out, it has another address now, or a firewall drops what is sent there.</source>
        <translation>边缘盒已关机、网线脱落、地址已变，或防火墙丢弃了发往那里的数据。</translation>
    </message>
    <message>
        <source>The machine at {subject} answers, but no box listens on that port.</source>
        <translation>{subject} 处的机器有应答，但该端口上没有边缘盒在监听。</translation>
    </message>
    <message>
        <source>Start the box (systemctl status lineside-edge), or check `listen` in its edge.toml.</source>
        <translation>请启动边缘盒（systemctl status lineside-edge），或检查其 edge.toml 中的 `listen`。</translation>
    </message>
    <message>
        <source>There is no way to {subject} from here.</source>
        <translation>从这里无法到达 {subject}。</translation>
    </message>
    <message>
        <source>Check the address and this machine&apos;s network; another subnet needs a route.</source>
        <translation>请检查地址和本机网络；其他网段需要路由。</translation>
    </message>
    <message>
        <source>At {subject}, where {name} was, another key answers.</source>
        <translation>{name} 原来所在的 {subject} 由另一把密钥应答。</translation>
    </message>
    <message>
        <source>It is another box that got this address, a box that was set up anew, or an impostor.</source>
        <translation>可能是另一台边缘盒得到了此地址、边缘盒被重新安装，或有人冒充。</translation>
    </message>
    <message>
        <source>What listens at {subject} is no box.</source>
        <translation>在 {subject} 监听的不是边缘盒。</translation>
    </message>
    <message>
        <source>Check the address and the port.</source>
        <translation>请检查地址和端口。</translation>
    </message>
    <message>
        <source>{subject} answers at {address}, but was not heard: its firewall drops mDNS, or it does not announce itself.</source>
        <translation>{subject} 在 {address} 有应答，但没有听到它的广播：它自己的防火墙丢弃了 mDNS，或者它没有启用广播。</translation>
    </message>
    <message>
        <source>Allow UDP port 5353 on it, or set `announce = true` in its edge.toml. By its address it is reached as it is.</source>
        <translation>请在该设备上放行 UDP 端口 5353，或在其 edge.toml 中设置 `announce = true`。用它的地址现在就可以连接。</translation>
    </message>
    <message>
        <source>In {subject} ({interface}) only announced boxes are found: it is too large to ask every address.</source>
        <translation>在 {subject}（{interface}）中只能找到自己广播的边缘盒：该网络太大，无法逐个地址询问。</translation>
    </message>
    <message>
        <source>Name a part of it, such as 192.168.1.0/24, or the box&apos;s address.</source>
        <translation>请指定其中一部分，例如 192.168.1.0/24，或边缘盒的地址。</translation>
    </message>
    <message>
        <source>{subject} was not asked from there: the software of that box is too old for it.</source>
        <translation>没有从那里询问 {subject}：那台边缘盒的软件版本太旧，不支持此功能。</translation>
    </message>
    <message>
        <source>Update that box, or look at its own networks only.</source>
        <translation>请更新那台边缘盒，或只查看它自己的网络。</translation>
    </message>
</context>
<context>
    <name>rehearsal</name>
    <message>
        <source>Not released</source>
        <translation>未发布</translation>
    </message>
    <message>
        <source>Blacklisted</source>
        <translation>已列入黑名单</translation>
    </message>
    <message>
        <source>Held from this box</source>
        <translation>对此边缘盒保留不动</translation>
    </message>
    <message>
        <source>Older than what it has run</source>
        <translation>比它运行过的版本旧</translation>
    </message>
    <message>
        <source>Rolled back there before</source>
        <translation>曾在此退回</translation>
    </message>
    <message>
        <source>Something else is on trial there</source>
        <translation>那里正在试运行别的内容</translation>
    </message>
    <message>
        <source>Its runtime is too old</source>
        <translation>其运行时太旧</translation>
    </message>
    <message>
        <source>Not enough room on its disk</source>
        <translation>磁盘空间不足</translation>
    </message>
    <message>
        <source>Part of another rollout</source>
        <translation>属于另一次部署</translation>
    </message>
    <message>
        <source>Not for this box</source>
        <translation>不适用于此边缘盒</translation>
    </message>
    <message>
        <source>Its clock is past the end of the signatures</source>
        <translation>其时钟已超过签名有效期</translation>
    </message>
    <message>
        <source>measured now</source>
        <translation>刚测得</translation>
    </message>
    <message>
        <source>measured earlier</source>
        <translation>此前测得</translation>
    </message>
    <message>
        <source>never measured</source>
        <translation>从未测量</translation>
    </message>
    <message>
        <source>{size} to send in all; boxes: {n}. Nothing was changed on them.</source>
        <translation>总共发送 {size}；设备数：{n}。未对它们作任何更改。</translation>
    </message>
    <message>
        <source>Up to {size} where boxes cannot hand it on.</source>
        <translation>若设备之间无法转交，最多 {size}。</translation>
    </message>
    <message>
        <source>{minutes} min at most, without the rests.</source>
        <translation>最多 {minutes} 分钟，不含间歇。</translation>
    </message>
    <message>
        <source>Until a box commits the model, a cut, an abort or a bad trial brings back what runs there now. Once it has committed, releases older than this one are refused there.</source>
        <translation>在边缘盒确认模型之前，断电、中止或试运行不佳都会恢复现有模型。确认之后，那里会拒绝比它更旧的版本。</translation>
    </message>
    <message>
        <source>Until a box commits it, a cut or a bad trial brings back the configuration that it has now; a trial that is under way comes to its own end. Afterwards an older version is taken back in the box&apos;s own panel.</source>
        <translation>在边缘盒确认之前，断电或试运行不佳都会恢复它现有的配置；正在进行的试运行会自行结束。确认之后，可在该边缘盒自己的面板中退回到较早的版本。</translation>
    </message>
    <message>
        <source>Until a box commits it, a cut or a bad trial brings back the program that it runs now; a trial that is under way comes to its own end. Afterwards the version before is taken back in the box&apos;s own panel.</source>
        <translation>在边缘盒确认之前，断电或试运行不佳都会恢复它现在运行的程序；正在进行的试运行会自行结束。确认之后，可在该边缘盒自己的面板中退回到上一个版本。</translation>
    </message>
    <message>
        <source>{size} to send, {minutes} min ({rate}, {measured})</source>
        <translation>发送 {size}，{minutes} 分钟（{rate}，{measured}）</translation>
    </message>
    <message>
        <source>{size} to send; how long it takes is not known yet</source>
        <translation>发送 {size}；所需时间尚不清楚</translation>
    </message>
    <message>
        <source>It has all of it: nothing to send</source>
        <translation>它已全部具备：无需发送</translation>
    </message>
    <message>
        <source>A neighbour hands it over: nothing to send from here</source>
        <translation>由相邻设备转交：无需从这里发送</translation>
    </message>
    <message>
        <source>Disk: {peak} more at the worst moment, {free} free</source>
        <translation>磁盘：最多再占 {peak}，可用 {free}</translation>
    </message>
    <message>
        <source>{size} a second</source>
        <translation>每秒 {size}</translation>
    </message>
    <message>
        <source>{box}, wave {n}</source>
        <translation>{box}，第 {n} 批</translation>
    </message>
    <message>
        <source>Would take it</source>
        <translation>会接受</translation>
    </message>
    <message>
        <source>Away: it gets its turn when it is seen</source>
        <translation>不在线：再次出现时轮到</translation>
    </message>
    <message>
        <source>Would not take it</source>
        <translation>不会接受</translation>
    </message>
</context>
<context>
    <name>rollouts</name>
    <message>
        <source>Configuration {id}</source>
        <translation>配置 {id}</translation>
    </message>
    <message>
        <source>Program {version}</source>
        <translation>程序 {version}</translation>
    </message>
</context>
<context>
    <name>runtime</name>
    <message>
        <source>Runs</source>
        <translation>运行中</translation>
    </message>
    <message>
        <source>Not judged in its trial, for their frames come too seldom: {lines}</source>
        <translation>试运行中未能评判的产线（帧来得太少）：{lines}</translation>
    </message>
    <message>
        <source>Installed on the machine</source>
        <translation>机器上安装的</translation>
    </message>
</context>
<context>
    <name>ssh</name>
    <message>
        <source>There is no systemd: a supervisor keeps the box running, and cron starts that at every boot.</source>
        <translation>没有 systemd：由监管程序保持盒子运行，cron 在每次开机时启动它。</translation>
    </message>
    <message>
        <source>There is neither systemd nor cron: a supervisor keeps the box running, but nothing starts that at boot. Have /opt/lineside-edge/bin/supervise started as the user lineside-edge.</source>
        <translation>既没有 systemd 也没有 cron：由监管程序保持盒子运行，但开机时不会自动启动。请安排以用户 lineside-edge 启动 /opt/lineside-edge/bin/supervise。</translation>
    </message>
    <message>
        <source>Close</source>
        <translation>关闭</translation>
    </message>
    <message>
        <source>{name} is enrolled</source>
        <translation>{name} 已登记</translation>
    </message>
    <message>
        <source>Enrol {host}</source>
        <translation>登记 {host}</translation>
    </message>
    <message>
        <source>Looked for, and not there any more: {things}.</source>
        <translation>已检查并确认不复存在：{things}。</translation>
    </message>
    <message>
        <source>It could not be told how many rows went with it.</source>
        <translation>无法得知有多少行随之消失。</translation>
    </message>
    <message>
        <source>Rows that went with it, of which no desktop has a copy: {n}.</source>
        <translation>随之消失且没有任何桌面保存副本的行数：{n}。</translation>
    </message>
    <message>
        <source>Nothing of Lineside is left on {name}</source>
        <translation>{name} 上没有 Lineside 的残留</translation>
    </message>
    <message>
        <source>Take Lineside off {name}</source>
        <translation>从 {name} 移除 Lineside</translation>
    </message>
    <message>
        <source>Only {free} MiB are free for what it sees: below {needed} MiB it keeps nothing, unless reserve_bytes in its edge.toml says otherwise.</source>
        <translation>可用于存放其所见数据的空间只剩 {free} MiB：低于 {needed} MiB 时它什么也不保存，除非其 edge.toml 中的 reserve_bytes 另有规定。</translation>
    </message>
    <message>
        <source>Port 7444, at which a box takes one-time codes, is taken by {holder}.</source>
        <translation>边缘盒接受一次性配对码所用的 7444 端口已被 {holder} 占用。</translation>
    </message>
    <message>
        <source>Port 8000, at which a box answers programs on its machine, is taken by {holder}: give it another one under [inference] in its edge.toml.</source>
        <translation>边缘盒向本机程序提供推理所用的 8000 端口已被 {holder} 占用：请在其 edge.toml 的 [inference] 下改用其他端口。</translation>
    </message>
    <message>
        <source>Its clock is {apart} fast. Enrolment goes on, but what the box sees would bear wrong times. Set it there: `sudo date -s @{now_s}`. `lineside boxes clock` measures it.</source>
        <translation>其时钟快了 {apart}。登记会继续，但它所见数据的时间将是错的。请在该机器上设置：`sudo date -s @{now_s}`。`lineside boxes clock` 可测量它。</translation>
    </message>
    <message>
        <source>Its clock is {apart} slow. Enrolment goes on, but what the box sees would bear wrong times. Set it there: `sudo date -s @{now_s}`. `lineside boxes clock` measures it.</source>
        <translation>其时钟慢了 {apart}。登记会继续，但它所见数据的时间将是错的。请在该机器上设置：`sudo date -s @{now_s}`。`lineside boxes clock` 可测量它。</translation>
    </message>
    <message>
        <source>It is a box called {name} already, and stays so; its edge.toml has the name.</source>
        <translation>它已经是名为 {name} 的边缘盒，并保持此名；名称写在其 edge.toml 中。</translation>
    </message>
    <message>
        <source>Its edge.toml was gone: the box puts back the one that was in force, or else one is made with the usual settings and the name {name}.</source>
        <translation>其 edge.toml 不见了：边缘盒会恢复原先生效的版本；若没有，则按通常设置新建，名称为 {name}。</translation>
    </message>
</context>
<context>
    <name>states</name>
    <message>
        <source>Running</source>
        <translation>运行中</translation>
    </message>
    <message>
        <source>Done</source>
        <translation>完成</translation>
    </message>
    <message>
        <source>Stopped</source>
        <translation>已停止</translation>
    </message>
    <message>
        <source>Waiting</source>
        <translation>等待中</translation>
    </message>
    <message>
        <source>Sending</source>
        <translation>发送中</translation>
    </message>
    <message>
        <source>Installing</source>
        <translation>安装中</translation>
    </message>
    <message>
        <source>On trial</source>
        <translation>试运行</translation>
    </message>
    <message>
        <source>Committed</source>
        <translation>已确认</translation>
    </message>
    <message>
        <source>Failed</source>
        <translation>失败</translation>
    </message>
    <message>
        <source>Rolled back</source>
        <translation>已退回</translation>
    </message>
    <message>
        <source>Paused</source>
        <translation>已暂停</translation>
    </message>
    <message>
        <source>Aborted</source>
        <translation>已中止</translation>
    </message>
    <message>
        <source>Held</source>
        <translation>保留不动</translation>
    </message>
    <message>
        <source>Withdrawn</source>
        <translation>已撤回</translation>
    </message>
    <message>
        <source>Overtaken</source>
        <translation>已被取代</translation>
    </message>
    <message>
        <source>Away</source>
        <translation>不在线</translation>
    </message>
    <message>
        <source>In force</source>
        <translation>生效中</translation>
    </message>
    <message>
        <source>From the next start</source>
        <translation>下次启动后生效</translation>
    </message>
    <message>
        <source>Replaced</source>
        <translation>已被替换</translation>
    </message>
    <message>
        <source>Network cut</source>
        <translation>网络被切断</translation>
    </message>
    <message>
        <source>Process killed</source>
        <translation>进程被杀死</translation>
    </message>
    <message>
        <source>Disk filled</source>
        <translation>磁盘被填满</translation>
    </message>
    <message>
        <source>Clock put off</source>
        <translation>时钟被拨乱</translation>
    </message>
    <message>
        <source>Not ended yet</source>
        <translation>尚未结束</translation>
    </message>
    <message>
        <source>Under way</source>
        <translation>进行中</translation>
    </message>
    <message>
        <source>Recovered</source>
        <translation>已恢复</translation>
    </message>
    <message>
        <source>Did not recover</source>
        <translation>未恢复</translation>
    </message>
    <message>
        <source>Candidate</source>
        <translation>候选</translation>
    </message>
    <message>
        <source>Passed the gate</source>
        <translation>已过质量门</translation>
    </message>
    <message>
        <source>Proved</source>
        <translation>已实机验证</translation>
    </message>
    <message>
        <source>Refused</source>
        <translation>被拒绝</translation>
    </message>
    <message>
        <source>Released</source>
        <translation>已签发</translation>
    </message>
    <message>
        <source>Draft</source>
        <translation>草稿</translation>
    </message>
    <message>
        <source>Quoted</source>
        <translation>已报价</translation>
    </message>
    <message>
        <source>Queued, offline</source>
        <translation>离线排队</translation>
    </message>
    <message>
        <source>Staged</source>
        <translation>已就绪</translation>
    </message>
    <message>
        <source>Launching</source>
        <translation>启动中</translation>
    </message>
    <message>
        <source>Booting</source>
        <translation>开机中</translation>
    </message>
    <message>
        <source>Training</source>
        <translation>训练中</translation>
    </message>
    <message>
        <source>Finishing</source>
        <translation>收尾中</translation>
    </message>
    <message>
        <source>Finished</source>
        <translation>已完成</translation>
    </message>
    <message>
        <source>Gated</source>
        <translation>已评判</translation>
    </message>
    <message>
        <source>Closed</source>
        <translation>已结束</translation>
    </message>
    <message>
        <source>No machine free</source>
        <translation>无空闲机器</translation>
    </message>
    <message>
        <source>Preempted</source>
        <translation>被抢占</translation>
    </message>
    <message>
        <source>Cancelling</source>
        <translation>取消中</translation>
    </message>
    <message>
        <source>Cancelled</source>
        <translation>已取消</translation>
    </message>
    <message>
        <source>Unknown</source>
        <translation>未知</translation>
    </message>
    <message>
        <source>Empty</source>
        <translation>空</translation>
    </message>
    <message>
        <source>Verified</source>
        <translation>已验签</translation>
    </message>
    <message>
        <source>Probed</source>
        <translation>已试载</translation>
    </message>
    <message>
        <source>Rejected</source>
        <translation>已拒绝</translation>
    </message>
    <message>
        <source>Waiting for a model</source>
        <translation>等待模型</translation>
    </message>
    <message>
        <source>No input</source>
        <translation>无输入</translation>
    </message>
    <message>
        <source>Failing</source>
        <translation>出错</translation>
    </message>
    <message>
        <source>Drift</source>
        <translation>漂移</translation>
    </message>
    <message>
        <source>Steady</source>
        <translation>平稳</translation>
    </message>
    <message>
        <source>Not answering</source>
        <translation>无应答</translation>
    </message>
    <message>
        <source>Another key</source>
        <translation>应答的是另一个密钥</translation>
    </message>
    <message>
        <source>Refuses us</source>
        <translation>拒绝本机</translation>
    </message>
    <message>
        <source>Not heard yet</source>
        <translation>尚无消息</translation>
    </message>
    <message>
        <source>No pipeline</source>
        <translation>无流水线</translation>
    </message>
    <message>
        <source>Watching</source>
        <translation>旁观中</translation>
    </message>
    <message>
        <source>{said}; {state}: {n}</source>
        <translation>{said}；{state}：{n}</translation>
    </message>
    <message>
        <source>Given up</source>
        <translation>已放弃</translation>
    </message>
    <message>
        <source>None</source>
        <translation>无</translation>
    </message>
    <message>
        <source>No object store</source>
        <translation>无对象存储</translation>
    </message>
    <message>
        <source>Offline</source>
        <translation>离线</translation>
    </message>
    <message>
        <source>Waiting to sync</source>
        <translation>待同步</translation>
    </message>
    <message>
        <source>Synced</source>
        <translation>已同步</translation>
    </message>
    <message>
        <source>Answers now</source>
        <translation>正在作答</translation>
    </message>
    <message>
        <source>Kept</source>
        <translation>备用</translation>
    </message>
    <message>
        <source>Last known</source>
        <translation>上次已知</translation>
    </message>
</context>
<context>
    <name>steps</name>
    <message>
        <source>Collecting</source>
        <translation>收取中</translation>
    </message>
    <message>
        <source>Importing</source>
        <translation>导入中</translation>
    </message>
    <message>
        <source>Exporting</source>
        <translation>正在导出</translation>
    </message>
    <message>
        <source>Exchanging changes</source>
        <translation>正在交换更改</translation>
    </message>
    <message>
        <source>Judging at the gate</source>
        <translation>质量门评判中</translation>
    </message>
    <message>
        <source>Packing</source>
        <translation>打包中</translation>
    </message>
    <message>
        <source>Sending</source>
        <translation>发送中</translation>
    </message>
    <message>
        <source>Proving on the box</source>
        <translation>实机验证中</translation>
    </message>
    <message>
        <source>Rehearsing</source>
        <translation>正在预演</translation>
    </message>
    <message>
        <source>Syncing</source>
        <translation>同步中</translation>
    </message>
    <message>
        <source>Training</source>
        <translation>训练中</translation>
    </message>
    <message>
        <source>Uploading</source>
        <translation>上传中</translation>
    </message>
    <message>
        <source>Downloading</source>
        <translation>下载中</translation>
    </message>
    <message>
        <source>Connecting</source>
        <translation>正在连接</translation>
    </message>
    <message>
        <source>Looking whether it can become a box</source>
        <translation>正在检查能否成为盒子</translation>
    </message>
    <message>
        <source>Making the box&apos;s user</source>
        <translation>正在创建盒子用户</translation>
    </message>
    <message>
        <source>Installing</source>
        <translation>正在安装</translation>
    </message>
    <message>
        <source>Seeing to its start at boot</source>
        <translation>正在设置开机启动</translation>
    </message>
    <message>
        <source>Exchanging keys</source>
        <translation>正在交换密钥</translation>
    </message>
    <message>
        <source>Starting</source>
        <translation>正在启动</translation>
    </message>
    <message>
        <source>Waiting for the box&apos;s answer</source>
        <translation>正在等待盒子应答</translation>
    </message>
    <message>
        <source>Looking what is there</source>
        <translation>正在查看现状</translation>
    </message>
    <message>
        <source>Stopping the box</source>
        <translation>正在停止盒子</translation>
    </message>
    <message>
        <source>Removing</source>
        <translation>正在删除</translation>
    </message>
    <message>
        <source>Looking for what is left</source>
        <translation>正在检查残留</translation>
    </message>
    <message>
        <source>Striking it off the list</source>
        <translation>正在从列表中移除</translation>
    </message>
    <message>
        <source>Site</source>
        <translation>站点</translation>
    </message>
    <message>
        <source>Label</source>
        <translation>标注</translation>
    </message>
    <message>
        <source>Train</source>
        <translation>训练</translation>
    </message>
    <message>
        <source>Gate</source>
        <translation>质量门</translation>
    </message>
    <message>
        <source>Prove</source>
        <translation>验证</translation>
    </message>
    <message>
        <source>Roll out</source>
        <translation>部署</translation>
    </message>
    <message>
        <source>Watch</source>
        <translation>观察</translation>
    </message>
    <message>
        <source>Change</source>
        <translation>变化</translation>
    </message>
    <message>
        <source>Drift</source>
        <translation>漂移</translation>
    </message>
    <message>
        <source>Collect</source>
        <translation>收取</translation>
    </message>
    <message>
        <source>Measure</source>
        <translation>测量</translation>
    </message>
    <message>
        <source>Done</source>
        <translation>完成</translation>
    </message>
</context>
</TS>
